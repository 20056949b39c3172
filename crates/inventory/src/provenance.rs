//! What a build says of itself: SLSA provenance (versions 0.2 and 1) in in-toto statements, with what BuildKit adds
//! (BuildKit, "Provenance attestations").

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use serde_json::Value;

use crate::purl::Purl;

/// What BuildKit calls its own part of the metadata in version 0.2.
const BUILDKIT_METADATA: &str = "https://mobyproject.org/buildkit@v1#metadata";

/// Provenance of an image.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Provenance {
    /// Where the source code is.
    pub repository: Option<String>,
    /// Its commit.
    pub revision: Option<String>,
    /// The Dockerfile's text, when the provenance has it (`mode=max`).
    pub dockerfile: Option<String>,
    /// The stage that was built; absent for the last one.
    pub target: Option<String>,
    /// Values of build arguments.
    pub arguments: BTreeMap<String, String>,
    /// The images that were used, in order.
    pub images: Vec<UsedImage>,
}

/// An image that a build used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UsedImage {
    /// As Docker's users write it: `golang:1.21`.
    pub name: String,
    /// Digest, `algorithm:hex`.
    pub digest: Option<String>,
}

impl Provenance {
    /// Reads an in-toto statement, or a DSSE envelope around one. None when it is no provenance.
    #[must_use]
    pub fn parse(statement: &[u8]) -> Option<Self> {
        let mut root: Value = serde_json::from_slice(statement).ok()?;
        let envelope = root.get("dsseEnvelope").unwrap_or(&root);
        if let Some(payload) = envelope.get("payload").and_then(Value::as_str) {
            root = serde_json::from_slice(&BASE64_STANDARD.decode(payload).ok()?).ok()?;
        }
        let kind = root.get("predicateType")?.as_str()?;
        if !kind.starts_with("https://slsa.dev/provenance/") {
            return None;
        }
        let predicate = root.get("predicate")?;
        let at = |pointers: &[&str]| pointers.iter().find_map(|pointer| predicate.pointer(pointer));
        let metadata = predicate
            .pointer("/runDetails/metadata/buildkit_metadata")
            .or_else(|| predicate.get("metadata")?.get(BUILDKIT_METADATA));
        let vcs = |key: &str| text(metadata?.get("vcs")?.get(key)?);
        let config = at(&["/invocation/configSource", "/buildDefinition/externalParameters/configSource"]);
        // A build from a repository names it here; one from a directory says what it found there.
        let from_git = config.and_then(|config| text(config.get("uri")?)).filter(|uri| uri.contains("://"));
        let commit = config.and_then(|config| text(config.get("digest")?.get("sha1")?));
        let args = at(&["/invocation/parameters/args", "/buildDefinition/externalParameters/request/args"]);
        let argument = |name: &str| args.and_then(|args| text(args.get(name)?));
        let used = at(&["/materials", "/buildDefinition/resolvedDependencies"]);
        Some(Self {
            repository: vcs("source").or_else(|| Some(from_git?.split('#').next()?.to_owned())),
            revision: vcs("revision").or(commit),
            dockerfile: metadata.and_then(dockerfile),
            target: argument("target"),
            arguments: args
                .and_then(Value::as_object)
                .into_iter()
                .flatten()
                .filter_map(build_argument)
                .collect(),
            images: used.and_then(Value::as_array).into_iter().flatten().filter_map(used_image).collect(),
        })
    }

    /// The image that the stage which was built stands on, followed through stages that stand on others. None when
    /// it stands on nothing, or cannot be told: without the Dockerfile only when one image was used at all.
    #[must_use]
    pub fn base(&self) -> Option<UsedImage> {
        let Some(dockerfile) = &self.dockerfile else {
            return match self.images.as_slice() {
                [only] => Some(only.clone()),
                _ => None,
            };
        };
        let stages = Stages::read(dockerfile, &self.arguments);
        let name = stages.base_of(self.target.as_deref())?;
        let is_same = |used: &&UsedImage| familiar(&used.name) == familiar(&name);
        let known = self.images.iter().find(is_same);
        Some(known.cloned().unwrap_or(UsedImage { digest: digest_in(&name), name }))
    }
}

fn text(value: &Value) -> Option<String> {
    value.as_str().filter(|text| !text.is_empty()).map(str::to_owned)
}

fn build_argument((name, value): (&String, &Value)) -> Option<(String, String)> {
    Some((name.strip_prefix("build-arg:")?.to_owned(), value.as_str()?.to_owned()))
}

/// The text of the first file that the build was described by.
fn dockerfile(metadata: &Value) -> Option<String> {
    let info = metadata.pointer("/source/infos/0/data")?.as_str()?;
    String::from_utf8(BASE64_STANDARD.decode(info).ok()?).ok()
}

/// `pkg:docker/golang@1.21?platform=linux%2Famd64` with its digest.
fn used_image(material: &Value) -> Option<UsedImage> {
    let parts = Purl::parse(material.get("uri")?.as_str()?).filter(|parts| parts.kind == "docker")?;
    let mut name = match parts.namespace.as_str() {
        "" => parts.name.clone(),
        namespace => format!("{namespace}/{}", parts.name),
    };
    let digest = material.pointer("/digest/sha256").and_then(text).map(|hex| format!("sha256:{hex}"));
    let digest = digest.or_else(|| parts.qualifier("digest").map(str::to_owned));
    if !parts.version.is_empty() && !parts.version.contains(':') {
        name = format!("{name}:{}", parts.version);
    }
    Some(UsedImage { name, digest })
}

fn digest_in(name: &str) -> Option<String> {
    name.split_once('@').map(|(_, digest)| digest.to_owned())
}

/// A name without what Docker adds by itself and without a digest.
fn familiar(name: &str) -> String {
    let name = name.split('@').next().unwrap_or(name);
    let name = name.strip_prefix("docker.io/").unwrap_or(name);
    let name = name.strip_prefix("library/").unwrap_or(name);
    let (directories, last) = name.rsplit_once('/').map_or(("", name), |(before, last)| (before, last));
    let last = if last.contains(':') { last.to_owned() } else { format!("{last}:latest") };
    if directories.is_empty() { last } else { format!("{directories}/{last}") }
}

/// The stages of a Dockerfile: what each is called and stands on.
struct Stages(Vec<(Option<String>, String)>);

impl Stages {
    fn read(dockerfile: &str, arguments: &BTreeMap<String, String>) -> Self {
        let joined = dockerfile.replace("\\\r\n", " ").replace("\\\n", " ");
        let mut defaults: BTreeMap<String, String> = BTreeMap::new();
        let mut stages = Vec::new();
        for line in joined.lines().map(str::trim).filter(|line| !line.starts_with('#')) {
            let mut words = line.split_whitespace();
            match words.next().map(str::to_uppercase).as_deref() {
                // Only arguments before the first stage count in the names of images.
                Some("ARG") if stages.is_empty() => {
                    for word in words {
                        let (name, value) = word.split_once('=').unwrap_or((word, ""));
                        let value =
                            arguments.get(name).cloned().unwrap_or_else(|| unquoted(value).to_owned());
                        defaults.insert(name.to_owned(), value);
                    }
                }
                Some("FROM") => {
                    let mut words = words.filter(|word| !word.starts_with("--"));
                    let Some(image) = words.next() else { continue };
                    let alias = words.nth(1).map(str::to_lowercase);
                    stages.push((alias, filled(unquoted(image), &defaults)));
                }
                _ => {}
            }
        }
        Self(stages)
    }

    fn base_of(&self, target: Option<&str>) -> Option<String> {
        let named = |name: &str, before: usize| {
            let mut stages = self.0.iter().take(before).enumerate();
            stages.find(|(index, (alias, _))| {
                alias.as_deref() == Some(&name.to_lowercase()) || index.to_string() == name
            })
        };
        let mut index = match target {
            Some(target) => named(target, self.0.len())?.0,
            None => self.0.len().checked_sub(1)?,
        };
        loop {
            let (_, base) = self.0.get(index)?;
            match named(base, index) {
                Some((earlier, _)) => index = earlier,
                None => return Some(base.clone()).filter(|base| base != "scratch"),
            }
        }
    }
}

fn unquoted(text: &str) -> &str {
    text.trim_matches(['"', '\''])
}

/// A text with `$NAME`, `${NAME}` and `${NAME:-value}` filled in.
fn filled(text: &str, values: &BTreeMap<String, String>) -> String {
    let mut out = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('$') {
        out.push_str(before);
        let (name, default, left) = match after.strip_prefix('{').and_then(|braced| braced.split_once('}')) {
            Some((inner, left)) => {
                let (name, default) = inner.split_once(":-").unwrap_or((inner, ""));
                (name, default, left)
            }
            None => {
                let end = after.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(after.len());
                let (name, left) = after.split_at(end);
                (name, "", left)
            }
        };
        out.push_str(
            values.get(name).map(String::as_str).filter(|value| !value.is_empty()).unwrap_or(default),
        );
        rest = left;
    }
    out.push_str(rest);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    const DOCKERFILE: &str = "# syntax=docker/dockerfile:1\nARG GO=1.21\nFROM --platform=$BUILDPLATFORM golang:${GO} AS build\nRUN \\\n  FROM nothing\n\
                              FROM gcr.io/distroless/base AS Runtime\nFROM runtime\nCOPY --from=build /app /app\n";

    fn statement(metadata: &str, args: &str) -> Vec<u8> {
        let data = BASE64_STANDARD.encode(DOCKERFILE);
        format!(
            r#"{{"_type": "https://in-toto.io/Statement/v0.1", "predicateType": "https://slsa.dev/provenance/v0.2", "predicate": {{
            "materials": [{{"uri": "pkg:docker/golang@1.21?platform=linux%2Famd64", "digest": {{"sha256": "aa"}}}},
                {{"uri": "pkg:docker/gcr.io/distroless/base@latest?platform=linux%2Famd64", "digest": {{"sha256": "bb"}}}}],
            "invocation": {{"configSource": {{"entryPoint": "Dockerfile"}}, "parameters": {{"frontend": "dockerfile.v0", "args": {{{args}}}}}}},
            "metadata": {{"https://mobyproject.org/buildkit@v1#metadata": {{"vcs": {{"source": "https://git.example/a.git", "revision": "0123"}}{metadata}}}}}}}}}"#
        )
        .replace("DATA", &data)
        .into_bytes()
    }

    #[test]
    fn the_base_is_that_of_the_stage_that_was_built() {
        let max = r#", "source": {"infos": [{"filename": "Dockerfile", "data": "DATA"}]}"#;
        let provenance = Provenance::parse(&statement(max, "")).expect("provenance");
        assert_eq!(provenance.repository.as_deref(), Some("https://git.example/a.git"));
        assert_eq!(provenance.revision.as_deref(), Some("0123"));
        let base = provenance.base().expect("a base");
        assert_eq!(
            (base.name.as_str(), base.digest.as_deref()),
            ("gcr.io/distroless/base:latest", Some("sha256:bb"))
        );
        let target = Provenance::parse(&statement(max, r#""target": "build""#)).expect("provenance");
        assert_eq!(target.base().expect("a base").name, "golang:1.21");
        let other = Provenance::parse(&statement(max, r#""target": "build", "build-arg:GO": "1.22""#))
            .expect("provenance");
        assert_eq!(other.base(), Some(UsedImage { name: "golang:1.22".to_owned(), digest: None }));
        assert_eq!(Provenance::parse(&statement("", "")).expect("provenance").base(), None, "either of two");
    }

    #[test]
    fn version_1() {
        let statement = br#"{"predicateType": "https://slsa.dev/provenance/v1", "predicate": {
            "buildDefinition": {"externalParameters": {"configSource": {"uri": "https://git.example/b.git#main", "digest": {"sha1": "4567"}}},
                "resolvedDependencies": [{"uri": "pkg:docker/alpine@3.19", "digest": {"sha256": "cc"}}, {"uri": "https://git.example/b.git#main"}]},
            "runDetails": {"metadata": {"buildkit_metadata": {}}}}}"#;
        let provenance = Provenance::parse(statement).expect("provenance");
        assert_eq!(provenance.repository.as_deref(), Some("https://git.example/b.git"));
        assert_eq!(provenance.revision.as_deref(), Some("4567"));
        assert_eq!(provenance.base().expect("a base").digest.as_deref(), Some("sha256:cc"));
        assert_eq!(Provenance::parse(br#"{"predicateType": "https://spdx.dev/Document"}"#), None);
    }
}
