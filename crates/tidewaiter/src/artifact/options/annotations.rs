//! `--annotation` and `--annotation-file`: what is written beside content.

use std::collections::BTreeMap;
use std::path::Path;

use tidewaiter_cobra::{Flag, Matches};
use tidewaiter_oci::descriptor::Annotations;

use crate::artifact::failure::{Failure, Outcome};

/// Key of an annotation file under which the manifest's own annotations stand.
const MANIFEST: &str = "$manifest";
/// Key under which those of the configuration stand.
const CONFIG: &str = "$config";

/// `--annotation`
pub(crate) fn flag() -> Flag {
    Flag::repeated("annotation", "write key=value into the manifest's annotations; repeatable").short('a')
}

/// `--annotation-file`
pub(crate) fn file_flag() -> Flag {
    Flag::text(
        "annotation-file",
        "JSON file with annotations of the manifest under $manifest, of the config under $config, and of each \
         file under its name",
    )
}

/// Annotations for a manifest, its configuration and its files, by the name each file is given with.
#[derive(Debug, Clone, Default)]
pub(crate) struct AnnotationSet {
    sections: BTreeMap<String, Annotations>,
}

impl AnnotationSet {
    pub(crate) fn manifest(&self) -> Option<&Annotations> {
        self.sections.get(MANIFEST)
    }

    pub(crate) fn config(&self) -> Option<&Annotations> {
        self.sections.get(CONFIG)
    }

    /// Those of a file, named as it was typed.
    pub(crate) fn file(&self, name: &str) -> Option<&Annotations> {
        self.sections.get(name)
    }
}

/// Reads both flags, of which one may be given.
pub(crate) fn read(matches: &Matches) -> Outcome<AnnotationSet> {
    let (pairs, file) = (matches.list("annotation"), matches.text("annotation-file"));
    if !pairs.is_empty() && !file.is_empty() {
        return Err(Failure::new("`--annotation` and `--annotation-file` cannot be both specified"));
    }
    if !file.is_empty() {
        return load(Path::new(file));
    }
    let mut set = AnnotationSet::default();
    if !pairs.is_empty() {
        set.sections.insert(MANIFEST.to_owned(), parse(pairs)?);
    }
    Ok(set)
}

/// Reads `key=value` pairs.
pub(crate) fn parse(pairs: &[String]) -> Outcome<Annotations> {
    let mut annotations = Annotations::new();
    for pair in pairs {
        let Some((key, value)) = pair.split_once('=') else {
            return Err(Failure::new("annotation value doesn't match the required format")
                .advice("Write it as --annotation \"key=value\""));
        };
        let (key, value) = (key.trim(), value.trim());
        if annotations.insert(key.to_owned(), value.to_owned()).is_some() {
            return Err(Failure::new(format!("duplicate annotation key: {key}, ")));
        }
    }
    Ok(annotations)
}

fn load(path: &Path) -> Outcome<AnnotationSet> {
    let invalid = |reason: String| {
        let message =
            format!("invalid annotation json file: failed to load annotations from {}", path.display());
        Failure::new(message).advice(format!(
            "{reason}\nIt is to be a JSON object with the keys \"$manifest\", \"$config\" and names of files, \
             each an object of strings"
        ))
    };
    let bytes = std::fs::read(path).map_err(|error| invalid(error.to_string()))?;
    let sections = serde_json::from_slice(&bytes).map_err(|error| invalid(error.to_string()))?;
    Ok(AnnotationSet { sections })
}
