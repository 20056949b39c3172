//! Packages of the npm registry as installed: the `package.json` of each, in `node_modules` and elsewhere.
//!
//! Lock files say what should be there, not what is, and are left alone. Inside `node_modules` only the file
//! at the top of a package counts: deeper ones are test data and build fragments.

use std::fmt;

use serde::de::{IgnoredAny, MapAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;

use super::Room;
use crate::fragment::{Content, Package};
use crate::model::{ComponentKind, EvidenceKind};
use crate::path;
use crate::problems::Problems;

pub(crate) const ROOM: Room = Room { name: "npm", may_be_linked, claims, parse, ..Room::EMPTY };

/// npm's own limit for names; versions follow suit.
const MAX_NAME: usize = 214;

fn claims(directory: &str, name: &str) -> bool {
    if name != "package.json" {
        return false;
    }
    let Some((_, inside)) = directory.rsplit_once("node_modules/") else { return true };
    let depth = inside.bytes().filter(|&byte| byte == b'/').count();
    depth == usize::from(inside.starts_with('@'))
}

/// The store of pnpm keeps every file as `files/` and its SHA-512, the first two digits as a directory, and
/// links it into `node_modules`. A layer that has the store first has only links there.
fn may_be_linked(directory: &str, name: &str) -> bool {
    let is_hex = |text: &str| text.bytes().all(|byte| byte.is_ascii_hexdigit());
    let (parent, shard) = path::split(directory);
    shard.len() == 2 && is_hex(shard) && name.len() >= 64 && is_hex(name) && path::ends_with(parent, "files")
}

fn parse(file: &str, bytes: &[u8], problems: &mut Problems) -> Option<Content> {
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    let manifest: Manifest<'_> = match serde_json::from_slice(bytes) {
        Ok(manifest) => manifest,
        Err(error) => {
            problems.line(
                file,
                error.line(),
                format!("not a package.json: {error}; the package is not listed"),
            );
            return None;
        }
    };
    // Without both, npm cannot have installed it: a marker such as {"type": "module"}, or a workspace root.
    let name = string(manifest.name)?;
    let version = string(manifest.version)?;
    if !is_name(&name) || version.len() > MAX_NAME || version.is_empty() {
        let reason =
            "the name or the version is not one npm could install (a template?); the package is not listed";
        problems.file(file, reason);
        return None;
    }
    Some(Content::Packages(vec![Package {
        licenses: licenses(manifest.license, manifest.licenses),
        ..Package::new(ComponentKind::Npm, name, version, EvidenceKind::Metadata)
    }]))
}

/// `name` or `@scope/name`, of characters that need no encoding in a URL (old names had capitals too).
fn is_name(name: &str) -> bool {
    let part = |part: &str| {
        !part.is_empty()
            && part.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.~!'()*".contains(&byte))
    };
    name.len() <= MAX_NAME
        && match name.strip_prefix('@') {
            Some(scoped) => scoped.split_once('/').is_some_and(|(scope, name)| part(scope) && part(name)),
            None => part(name),
        }
}

/// The keys that matter, each still as JSON: other people's files have the oddest types in them, and one odd
/// value must not cost the rest. The last of several equal keys counts, as in JavaScript.
#[derive(Default)]
struct Manifest<'a> {
    name: Option<&'a RawValue>,
    version: Option<&'a RawValue>,
    license: Option<&'a RawValue>,
    licenses: Option<&'a RawValue>,
}

impl<'de: 'a, 'a> Deserialize<'de> for Manifest<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Keys;
        impl<'de> Visitor<'de> for Keys {
            type Value = Manifest<'de>;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("a JSON object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut manifest = Manifest::default();
                while let Some(key) = map.next_key::<String>()? {
                    match key.as_str() {
                        "name" => manifest.name = Some(map.next_value()?),
                        "version" => manifest.version = Some(map.next_value()?),
                        "license" => manifest.license = Some(map.next_value()?),
                        "licenses" => manifest.licenses = Some(map.next_value()?),
                        _ => {
                            map.next_value::<IgnoredAny>()?;
                        }
                    }
                }
                Ok(manifest)
            }
        }
        deserializer.deserialize_map(Keys)
    }
}

fn string(value: Option<&RawValue>) -> Option<String> {
    value.and_then(|value| serde_json::from_str(value.get()).ok())
}

/// `"license": "MIT"`, the older `{"type": "MIT"}`, and the list of either under both keys.
fn licenses(license: Option<&RawValue>, licenses: Option<&RawValue>) -> Vec<String> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum License {
        Name(String),
        Typed { r#type: String },
        List(Vec<Self>),
    }
    fn collect(license: License, into: &mut Vec<String>) {
        match license {
            License::Name(name) | License::Typed { r#type: name } => into.push(name),
            License::List(list) => list.into_iter().for_each(|license| collect(license, into)),
        }
    }
    let mut names = Vec::new();
    for value in [license, licenses].into_iter().flatten() {
        if let Ok(license) = serde_json::from_str(value.get()) {
            collect(license, &mut names);
        }
    }
    names.retain(|name| !name.trim().is_empty());
    names.truncate(16);
    names
}

#[cfg(test)]
mod tests {
    use super::{claims, may_be_linked};
    use crate::packages::tests::check;

    #[test]
    fn names_may_have_a_scope() {
        check(
            "app/node_modules/@babel/core/package.json",
            r#"{"name": "@babel/core", "version": "7.23.0", "license": "MIT"}"#,
            &["pkg:npm/%40babel/core@7.23.0 MIT"],
        );
        check("app/package.json", r#"{"version": "1.0.0", "name": "app"}"#, &["pkg:npm/app@1.0.0"]);
    }

    #[test]
    fn licences_come_in_many_shapes() {
        let licence = |json: &str, expect: &str| {
            let content = format!(r#"{{"name": "a", "version": "1.0.0", {json}}}"#);
            check("a/package.json", &content, &[format!("pkg:npm/a@1.0.0{expect}").as_str()]);
        };
        licence(r#""license": {"type": "ISC", "url": "x"}"#, " ISC");
        licence(r#""licenses": [{"type": "MIT"}, "BSD"]"#, " MIT BSD");
        licence(r#""license": 7"#, "");
        licence(r#""license": " ""#, "");
    }

    #[test]
    fn what_npm_could_not_have_installed_is_no_package() {
        check("a/package.json", r#"{"type": "module"}"#, &[]);
        check("a/package.json", r#"{"name": ["a"], "version": "1.0.0"}"#, &[]);
        check(
            "a/package.json",
            "\u{feff}{\"name\": \"a\", \"version\": \"1\", \"name\": \"b\"}",
            &["pkg:npm/b@1"],
        );
        check(
            "a/package.json",
            r#"{"name": "<%= name %>", "version": "1.0.0"}"#,
            &[
                "file: the name or the version is not one npm could install (a template?); the package is not listed",
            ],
        );
        check(
            "a/package.json",
            "{\n\"name\": \"a\"\n\"version\"",
            &[
                "line 3: not a package.json: expected `,` or `}` at line 3 column 1; the package is not listed",
            ],
        );
    }

    #[test]
    fn only_the_top_of_an_installed_package_counts() {
        let cases = [
            ("app", true),
            ("", true),
            ("app/node_modules/a", true),
            ("app/node_modules/@s/a", true),
            ("app/node_modules/a/node_modules/b", true),
            ("app/node_modules/.pnpm/a@1.0.0/node_modules/a", true),
            ("app/node_modules/a/dist/esm", false),
            ("app/node_modules/a/test", false),
            ("app/node_modules/@s", false),
        ];
        for (directory, claimed) in cases {
            assert_eq!(claims(directory, "package.json"), claimed, "{directory}");
        }
        assert!(!claims("app", "package-lock.json"));
    }

    #[test]
    fn the_store_of_pnpm_is_known_by_its_names() {
        let hash = "0f".repeat(63);
        assert!(may_be_linked("root/.local/share/pnpm/store/v3/files/ab", &hash));
        assert!(!may_be_linked("root/.local/share/pnpm/store/v3/files/ab", &format!("{hash}-index.json")));
        assert!(!may_be_linked("srv/blobs/ab", &hash));
    }
}
