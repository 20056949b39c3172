//! `go.mod`: since Go 1.17 it lists every module that is built, not only those that are named in the source.

use std::collections::BTreeMap;

use super::{locked, text};
use crate::fragment::Package;
use crate::model::ComponentKind;

pub(super) fn read(bytes: &[u8]) -> Result<Vec<Package>, String> {
    let mut required = Vec::new();
    let mut replaced: BTreeMap<(&str, &str), Option<(&str, &str)>> = BTreeMap::new();
    let mut block = "";
    for line in text(bytes)?.lines() {
        let line = line.split("//").next().unwrap_or(line).trim();
        if line == ")" {
            block = "";
            continue;
        }
        if let Some(opened) = line.strip_suffix('(') {
            block = opened.trim();
            continue;
        }
        let (verb, rest) = match block {
            "" => line.split_once(char::is_whitespace).unwrap_or((line, "")),
            block => (block, line),
        };
        let words: Vec<&str> = rest.split_whitespace().map(|word| word.trim_matches('"')).collect();
        match (verb, words.as_slice()) {
            ("require", [name, version, ..]) => required.push((*name, *version)),
            ("replace", words) => {
                let Some(arrow) = words.iter().position(|&word| word == "=>") else { continue };
                let (old, new) = words.split_at(arrow);
                let old = (old.first().copied().unwrap_or_default(), old.get(1).copied().unwrap_or_default());
                // Without a version it is a directory.
                let new = match new {
                    [_, name, version] => Some((*name, *version)),
                    _ => None,
                };
                replaced.insert(old, new);
            }
            _ => {}
        }
    }
    let each = required.into_iter().filter_map(|(name, version)| {
        let by = replaced.get(&(name, version)).or_else(|| replaced.get(&(name, "")));
        let (name, version) = by.copied().unwrap_or(Some((name, version)))?;
        Some(locked(ComponentKind::Golang, name, version))
    });
    Ok(each.collect())
}

#[cfg(test)]
mod tests {
    use crate::packages::tests::check;

    #[test]
    fn requirements_and_what_replaces_them() {
        check(
            "go.mod",
            "module example.com/app\n\ngo 1.21\n\nrequire golang.org/x/net v0.17.0\nrequire (\n\tgithub.com/A/b v1.2.3 // indirect\n\tgithub.com/c/d v1.0.0\n\tgithub.com/e/f v1.0.0\n)\nreplace github.com/c/d => ../d\nreplace (\n\tgithub.com/e/f v1.0.0 => github.com/g/f v1.0.1\n)\n",
            &[
                "pkg:golang/golang.org/x/net@v0.17.0",
                "pkg:golang/github.com/a/b@v1.2.3",
                "pkg:golang/github.com/g/f@v1.0.1",
            ],
        );
    }
}
