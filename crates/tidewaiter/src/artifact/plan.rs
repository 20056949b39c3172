//! What of an artifact a pull writes: found out before anything is.

use std::collections::{BTreeSet, HashSet};

use tidewaiter_oci::content::{ReadTarget, fetch_manifest};
use tidewaiter_oci::copy::{Event, Reporter as _};
use tidewaiter_oci::pack::empty_json;
use tidewaiter_oci::{Descriptor, Digest, Manifest, Result, View};

use crate::artifact::display::line::one_line;
use crate::artifact::display::status::{Status, TITLE};
use crate::artifact::failure::{Failure, Outcome};

/// Manifests looked into at the most: indexes may list indexes without end.
const MAX_MANIFESTS: usize = 10_000;

/// Names shown at the most, when one was asked for that is not there.
const MAX_NAMES: usize = 20;

/// What is asked for.
#[derive(Debug, Default)]
pub(crate) struct Wanted {
    /// File for the configuration, and its media type when only one is wanted.
    pub(crate) config: Option<(String, String)>,
    /// What the artifact refers to is pulled as well.
    pub(crate) with_subjects: bool,
    /// Names of files; all when there are none.
    pub(crate) patterns: Vec<String>,
}

/// What is there and asked for.
#[derive(Debug, Default)]
pub(crate) struct Plan {
    /// With a title each.
    pub(crate) files: Vec<Descriptor>,
    /// The manifests that list them.
    pub(crate) manifests: Vec<Descriptor>,
    /// A layer has no title and cannot be pulled as a file.
    pub(crate) skipped_unnamed: bool,
    /// Names of files that are there and were not asked for.
    others: BTreeSet<String>,
}

impl Plan {
    /// Two different contents of the same name cannot both be written.
    pub(crate) fn check_names(&self) -> Outcome {
        let mut names = BTreeSet::new();
        for file in &self.files {
            let title = file.annotation(TITLE).unwrap_or_default();
            if !names.insert(title) {
                return Err(Failure::new(format!("{}: duplicate name", one_line(title))));
            }
        }
        Ok(())
    }

    /// A name that was asked for has to be there, and of names with wildcards at least one.
    pub(crate) fn check_patterns(&self, wanted: &Wanted) -> Outcome {
        let found = |pattern: &String| {
            let title =
                |file: &Descriptor| file.annotation(TITLE).is_some_and(|title| matches(pattern, title));
            self.files.iter().any(title)
        };
        let missing: Vec<&String> = wanted.patterns.iter().filter(|pattern| !found(pattern)).collect();
        let names_one = |pattern: &&String| !pattern.contains(['*', '?']);
        if !missing.iter().any(names_one) && (missing.is_empty() || missing.len() < wanted.patterns.len()) {
            return Ok(());
        }
        let quoted: Vec<String> = missing.iter().map(|pattern| tidewaiter_cobra::quote(pattern)).collect();
        let failure = Failure::new(format!("no file is named {}", quoted.join(" or ")));
        Err(match self.names().as_str() {
            "" => failure.advice("The artifact has no files with names"),
            names => {
                failure.advice(format!("There are: {names}. A directory is one of them, and pulled whole"))
            }
        })
    }

    /// Names of all files, of many only the first.
    pub(crate) fn names(&self) -> String {
        let chosen = self.files.iter().filter_map(|file| file.annotation(TITLE));
        let names: BTreeSet<&str> = chosen.chain(self.others.iter().map(String::as_str)).collect();
        let shown: Vec<String> = names.iter().copied().take(MAX_NAMES).map(one_line).collect();
        match names.len() - shown.len() {
            0 => shown.join(", "),
            more => format!("{} and {more} more", shown.join(", ")),
        }
    }

    /// Adds a part of a manifest: a file with a title, or nothing.
    fn add(&mut self, part: Descriptor, wanted: &Wanted, status: &Status, is_layer: bool) {
        let empty = empty_json().descriptor;
        let Some(title) = part.annotation(TITLE).filter(|title| !title.is_empty()) else {
            if part.digest != empty.digest {
                self.skipped_unnamed |= is_layer;
                status.report(&part, Event::Skipped);
            }
            return;
        };
        let is_wanted =
            wanted.patterns.is_empty() || wanted.patterns.iter().any(|pattern| matches(pattern, title));
        let is_known =
            self.files.iter().any(|file| file.digest == part.digest && file.annotation(TITLE) == Some(title));
        if !is_wanted {
            self.others.insert(title.to_owned());
        } else if !is_known {
            self.files.push(part);
        }
    }
}

/// Looks into a manifest that was read, the manifests it lists and, when asked, what they refer to.
pub(crate) async fn make(
    source: &dyn ReadTarget,
    root: Manifest,
    wanted: &Wanted,
    status: &Status,
) -> Result<Plan> {
    let mut plan = Plan::default();
    let mut seen: HashSet<Digest> = HashSet::new();
    let mut pending = vec![root.descriptor.clone()];
    let mut read = Some(root);
    let mut config_taken = false;
    while let Some(next) = pending.pop() {
        if !seen.insert(next.digest.clone()) {
            continue;
        }
        if seen.len() > MAX_MANIFESTS {
            return Err(tidewaiter_oci::Error::TooDeep { digest: next.digest, limit: MAX_MANIFESTS });
        }
        status.report(&next, Event::Started);
        let manifest = match read.take() {
            Some(root) => root,
            None => fetch_manifest(source, &next).await?,
        };
        status.looked_into(&next);
        match &manifest.view {
            View::Image(image) => {
                let mut config = image.config.clone();
                if let Some((path, media_type)) = &wanted.config
                    && !config_taken
                    && (media_type.is_empty() || *media_type == config.media_type)
                {
                    config_taken = true;
                    config.annotations.get_or_insert_default().insert(TITLE.to_owned(), path.clone());
                    plan.files.push(config);
                } else {
                    plan.add(config, wanted, status, false);
                }
                image.layers.iter().for_each(|layer| plan.add(layer.clone(), wanted, status, true));
            }
            View::Artifact(artifact) => {
                artifact.blobs.iter().for_each(|blob| plan.add(blob.clone(), wanted, status, true));
            }
            View::Index(index) => {
                // The last one pushed is the first one looked into.
                pending.extend(index.manifests.iter().rev().filter(|child| child.is_manifest()).cloned());
            }
        }
        if let Some(subject) = manifest.subject().filter(|_| wanted.with_subjects) {
            pending.push(subject.clone());
        }
        plan.manifests.push(next);
    }
    Ok(plan)
}

/// A name fits a pattern: `?` is one character, `*` any number of them, both but slashes; `**` is anything.
fn matches(pattern: &str, name: &str) -> bool {
    let pattern: Vec<char> = pattern.chars().collect();
    let name: Vec<char> = name.chars().collect();
    // Row by row: which ends of the name the pattern so far can reach.
    let mut reached = vec![false; name.len() + 1];
    reached[0] = true;
    let mut position = 0;
    while position < pattern.len() {
        let doubled = pattern[position] == '*' && pattern.get(position + 1) == Some(&'*');
        let mut next = vec![false; name.len() + 1];
        for end in 0..=name.len() {
            next[end] = match pattern[position] {
                '*' => reached[end] || (end > 0 && next[end - 1] && (doubled || name[end - 1] != '/')),
                '?' => end > 0 && reached[end - 1] && name[end - 1] != '/',
                literal => end > 0 && reached[end - 1] && name[end - 1] == literal,
            };
        }
        reached = next;
        position += if doubled { 2 } else { 1 };
    }
    reached[name.len()]
}

#[cfg(test)]
mod tests {
    use super::matches;

    #[test]
    fn patterns_choose_names() {
        for (pattern, name, expected) in [
            ("a.json", "a.json", true),
            ("*.json", "a.json", true),
            ("*.json", "d/a.json", false),
            ("**.json", "d/a.json", true),
            ("d/*", "d/a.json", true),
            ("?.json", "a.json", true),
            ("?.json", "ab.json", false),
            ("*a*b*", "xaxbx", true),
            ("*a*b*", "xbxax", false),
            ("", "", true),
            ("*", "", true),
        ] {
            assert_eq!(matches(pattern, name), expected, "{pattern} {name}");
        }
        assert!(!matches(&"*a".repeat(200), &"a".repeat(199)));
    }
}
