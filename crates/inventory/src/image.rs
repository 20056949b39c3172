//! Image facts from the image configuration (OCI image specification, "config.md"; Docker writes the same).
//!
//! Read field by field: a value of the wrong type costs that value and leaves a problem, never the rest.

use serde_json::{Map, Value};

use crate::fragment::Fragment;
use crate::layer::LayerSource;
use crate::model::{HistoryEntry, ImageFacts, LayerFacts};
use crate::problems::Problems;

/// Reads the configuration and lines its history up with the layers.
pub(crate) fn facts(
    config: &[u8],
    layers: &[LayerSource],
    fragments: &[&Fragment],
    problems: &mut Problems,
) -> ImageFacts {
    let root = match serde_json::from_slice(config) {
        Ok(Value::Object(root)) => root,
        Ok(_) => {
            problems.general(
                "the image configuration is not a JSON object; platform, labels and history are unknown",
            );
            Map::new()
        }
        // No configuration at all is what a directory has.
        Err(_) if config.is_empty() => Map::new(),
        Err(error) => {
            problems.general(format!(
                "the image configuration is not JSON ({error}); platform, labels and history are unknown"
            ));
            Map::new()
        }
    };
    let mut fields = Fields { object: &root, place: "", problems };
    let history = history(&mut fields);
    let mut facts = ImageFacts {
        os: fields.text("os").unwrap_or_default(),
        architecture: fields.text("architecture").unwrap_or_default(),
        variant: fields.text("variant"),
        created: fields.text("created"),
        author: fields.text("author"),
        layers: layer_facts(layers, fragments),
        ..ImageFacts::default()
    };
    let stated = fields.object("rootfs").map(|mut rootfs| rootfs.texts("diff_ids")).unwrap_or_default();
    if let Some(mut config) = fields.object("config") {
        facts.labels = config.labels("Labels");
        facts.env = config.texts("Env");
        facts.entrypoint = config.texts("Entrypoint");
        facts.cmd = config.texts("Cmd");
        facts.user = config.text("User").unwrap_or_default();
        facts.working_dir = config.text("WorkingDir").unwrap_or_default();
        facts.exposed_ports = config.keys("ExposedPorts");
    }
    assign_history(&history, &mut facts.layers, problems);
    facts.history = history;
    compare_diff_ids(&stated, &facts.layers, problems);
    facts
}

fn layer_facts(sources: &[LayerSource], fragments: &[&Fragment]) -> Vec<LayerFacts> {
    let unknown = LayerSource::default();
    fragments
        .iter()
        .enumerate()
        .map(|(index, fragment)| LayerFacts {
            ordinal: u32::try_from(index).unwrap_or(u32::MAX),
            digest: sources.get(index).unwrap_or(&unknown).digest.clone(),
            diff_id: fragment.diff_id.clone(),
            size: fragment.size,
            uncompressed_size: fragment.uncompressed_size,
            created_by: None,
        })
        .collect()
}

fn history(fields: &mut Fields<'_, '_>) -> Vec<HistoryEntry> {
    fields
        .objects("history")
        .into_iter()
        .map(|object| {
            let mut entry = Fields { object, place: "history.", problems: fields.problems };
            HistoryEntry {
                created_by: entry.text("created_by").unwrap_or_default(),
                created: entry.text("created"),
                comment: entry.text("comment"),
                empty_layer: entry.flag("empty_layer"),
            }
        })
        .collect()
}

/// The steps that made a layer belong to the layers one by one; with another count nobody can tell which.
fn assign_history(history: &[HistoryEntry], layers: &mut [LayerFacts], problems: &mut Problems) {
    let steps: Vec<_> = history.iter().filter(|entry| !entry.empty_layer).collect();
    if steps.len() == layers.len() {
        for (layer, step) in layers.iter_mut().zip(steps) {
            layer.created_by = Some(step.created_by.clone()).filter(|step| !step.is_empty());
        }
    } else if !history.is_empty() {
        problems.general(format!(
            "the history has {} entries with a layer, but the image has {} layers; layers are shown without their entry",
            steps.len(),
            layers.len()
        ));
    }
}

/// The configuration vouches for the uncompressed layers; runtimes refuse an image where this does not hold.
fn compare_diff_ids(stated: &[String], layers: &[LayerFacts], problems: &mut Problems) {
    if stated.is_empty() {
        return;
    }
    if stated.len() != layers.len() {
        problems.general(format!(
            "the image configuration lists {} layers, but the manifest has {}",
            stated.len(),
            layers.len()
        ));
    }
    for (stated, layer) in stated.iter().zip(layers) {
        // Only what was hashed the same way can be compared.
        if stated.starts_with("sha256:") && *stated != layer.diff_id {
            problems.general(format!(
                "layer {} unpacks to {}, but the image configuration says {stated:?}",
                layer.ordinal, layer.diff_id
            ));
        }
    }
}

/// One JSON object and where it is, for messages.
struct Fields<'a, 'p> {
    object: &'a Map<String, Value>,
    place: &'static str,
    problems: &'p mut Problems,
}

impl<'a> Fields<'a, '_> {
    fn take<T>(&mut self, key: &str, what: &str, read: impl FnOnce(&'a Value) -> Option<T>) -> Option<T> {
        match self.object.get(key)? {
            Value::Null => None,
            value => {
                let taken = read(value);
                if taken.is_none() {
                    let place = self.place;
                    self.problems.general(format!(
                        "{place}{key} in the image configuration is not {what}; it is left out"
                    ));
                }
                taken
            }
        }
    }

    fn text(&mut self, key: &str) -> Option<String> {
        self.take(key, "a text", Value::as_str).filter(|text| !text.is_empty()).map(str::to_owned)
    }

    fn flag(&mut self, key: &str) -> bool {
        self.take(key, "true or false", Value::as_bool).unwrap_or_default()
    }

    fn texts(&mut self, key: &str) -> Vec<String> {
        let read = |value: &Value| {
            let list = value.as_array()?.iter();
            list.map(|item| item.as_str().map(str::to_owned)).collect::<Option<Vec<_>>>()
        };
        self.take(key, "a list of texts", read).unwrap_or_default()
    }

    fn keys(&mut self, key: &str) -> Vec<String> {
        let read = |value: &Value| Some(value.as_object()?.keys().cloned().collect());
        self.take(key, "an object", read).unwrap_or_default()
    }

    fn labels(&mut self, key: &str) -> std::collections::BTreeMap<String, String> {
        let read = |value: &Value| {
            let pairs = value.as_object()?.iter();
            pairs.map(|(key, value)| Some((key.clone(), value.as_str()?.to_owned()))).collect()
        };
        self.take(key, "an object of texts", read).unwrap_or_default()
    }

    fn object(&mut self, key: &str) -> Option<Fields<'a, '_>> {
        let object = self.take(key, "an object", Value::as_object)?;
        let place = if key == "config" { "config." } else { "rootfs." };
        Some(Fields { object, place, problems: self.problems })
    }

    fn objects(&mut self, key: &str) -> Vec<&'a Map<String, Value>> {
        let read =
            |value: &'a Value| value.as_array()?.iter().map(Value::as_object).collect::<Option<Vec<_>>>();
        self.take(key, "a list of objects", read).unwrap_or_default()
    }
}
