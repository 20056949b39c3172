//! The book and the documents at the root: no link leads nowhere, and every page is in the table of contents.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Component, Path, PathBuf};

#[test]
fn links_lead_somewhere() {
    let mut wrong = Vec::new();
    for page in documents() {
        let text = read(&page);
        for link in links(&text) {
            if let Err(reason) = follow(&page, &text, link) {
                wrong.push(format!("{}: {link}: {reason}", page.display()));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn every_page_is_in_the_table_of_contents_once() {
    let source = root().join("docs/src");
    let summary = source.join("SUMMARY.md");
    let text = read(&summary);
    let listed: Vec<_> = links(&text).map(|link| source.join(link)).collect();
    let known: BTreeSet<_> = listed.iter().cloned().collect();
    assert_eq!(listed.len(), known.len(), "a page is listed twice");
    let pages = markdown_below(&source).into_iter().filter(|page| *page != summary);
    assert_eq!(known, pages.collect());
}

#[test]
fn links_and_headings_are_found() {
    let text = "# A `b` C\n[one](x.md#y) and [two](<z>)\n```\n[not](this)\n# nor this\n```\n`[nor](that)`\n## A `b` C";
    assert_eq!(links(text).collect::<Vec<_>>(), ["x.md#y", "z"]);
    assert_eq!(headings(text), ["a-b-c", "a-b-c-1"].map(str::to_owned).into());
}

/// Checks one link of a page. What lies on other machines is not asked for.
fn follow(page: &Path, text: &str, link: &str) -> Result<(), String> {
    if link.starts_with("https://") || link.starts_with("mailto:") {
        return Ok(());
    }
    if link.contains("://") {
        return Err("an address without TLS".to_owned());
    }
    let (path, anchor) = link.split_once('#').map_or((link, None), |(path, anchor)| (path, Some(anchor)));
    let target = if path.is_empty() { page.to_owned() } else { normal(&page.with_file_name(path)) };
    if !target.exists() {
        return Err("there is no such file".to_owned());
    }
    let book = root().join("docs/src");
    if page.starts_with(&book) && !target.starts_with(&book) {
        return Err("leads out of the book, where its readers cannot follow".to_owned());
    }
    match anchor {
        Some(anchor) => {
            let there = if path.is_empty() { text.to_owned() } else { read(&target) };
            let known = headings(&there).contains(anchor);
            if known { Ok(()) } else { Err("there is no such heading".to_owned()) }
        }
        None => Ok(()),
    }
}

/// The lines of a page that are prose; fenced code is left out.
fn prose(text: &str) -> impl Iterator<Item = &str> {
    let mut fenced = false;
    text.lines().filter(move |line| {
        let fence = line.trim_start().starts_with("```");
        fenced ^= fence;
        !fence && !fenced
    })
}

/// The targets of `[text](target)`, outside of code.
fn links(text: &str) -> impl Iterator<Item = &str> {
    prose(text).flat_map(|line| {
        line.match_indices("](").filter_map(move |(at, _)| {
            let in_code = line[..at].matches('`').count() % 2 == 1;
            let target = line[at + 2..].split(')').next()?;
            let target = target.trim_start_matches('<').trim_end_matches('>');
            (!in_code).then_some(target)
        })
    })
}

/// The names that headings can be linked by, as mdBook makes them.
fn headings(text: &str) -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    for line in prose(text) {
        let heading = line.trim_start_matches('#');
        if heading.len() == line.len() || !heading.starts_with(' ') {
            continue;
        }
        let letters = heading.trim().to_lowercase();
        let kept = letters.chars().filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_'));
        let base: String = kept.map(|c| if c == ' ' { '-' } else { c }).collect();
        let mut name = base.clone();
        for number in 1.. {
            if names.insert(name.clone()) {
                break;
            }
            name = format!("{base}-{number}");
        }
    }
    names
}

/// The book, and what people read at the root and beside the benchmarks.
fn documents() -> Vec<PathBuf> {
    let mut pages = markdown_below(&root().join("docs"));
    for directory in [root(), root().join("benches")] {
        pages.extend(entries(&directory).into_iter().filter(|path| is_markdown(path)));
    }
    assert!(pages.len() > 10, "{pages:?}");
    pages
}

fn markdown_below(directory: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for path in entries(directory) {
        if path.is_dir() {
            found.extend(markdown_below(&path));
        } else if is_markdown(&path) {
            found.push(path);
        }
    }
    found
}

fn is_markdown(path: &Path) -> bool {
    path.extension().is_some_and(|extension| extension == "md")
}

fn entries(directory: &Path) -> Vec<PathBuf> {
    let list = fs::read_dir(directory).unwrap_or_else(|error| panic!("{}: {error}", directory.display()));
    list.map(|entry| entry.expect("an entry of a directory").path()).collect()
}

/// A path without `.` and `..`, which it may have from a link.
fn normal(path: &Path) -> PathBuf {
    let mut parts = PathBuf::new();
    for part in path.components() {
        match part {
            Component::ParentDir => {
                parts.pop();
            }
            Component::CurDir => {}
            other => parts.push(other),
        }
    }
    parts
}

fn read(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_else(|error| panic!("reading {}: {error}", path.display()))
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the workspace around xtask").to_owned()
}
