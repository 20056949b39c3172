//! Building a database: what is taken, what is refused, and what is left when something goes wrong.
#![allow(clippy::unwrap_used, reason = "in a test a panic is the report")]

mod support;

use std::fs::File;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};
use support::{component, database_of, fixtures, try_build, write_records};
use tempfile::TempDir;
use tidewaiter_advisory::{BuildOptions, Database, Error, SourceKind, build, match_component};
use tidewaiter_inventory::ComponentKind::{Npm, Pypi};
use zip::write::SimpleFileOptions;

/// A record of one npm package.
fn record(id: &str, modified: &str, name: &str, fixed: &str) -> Value {
    json!({
        "id": id, "modified": modified, "summary": format!("{name} is broken before {fixed}"),
        "affected": [{"package": {"ecosystem": "npm", "name": name},
            "ranges": [{"type": "SEMVER", "events": [{"introduced": "0"}, {"fixed": fixed}]}]}],
    })
}

/// Writes a zip archive of entries.
fn write_zip(path: &Path, method: zip::CompressionMethod, entries: &[(&str, &[u8])]) {
    let mut archive = zip::ZipWriter::new(File::create(path).unwrap());
    for (name, content) in entries {
        archive.start_file(*name, SimpleFileOptions::default().compression_method(method)).unwrap();
        archive.write_all(content).unwrap();
    }
    archive.finish().unwrap();
}

/// The files in a directory, by name.
fn names(directory: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(directory).unwrap();
    let mut names: Vec<_> = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

#[test]
fn all_forms_of_input_give_the_same_content() {
    let directory = TempDir::new().unwrap();
    let path = |name: &str| directory.path().join(name);
    let mut files = names(&fixtures("osv"));
    files.retain(|name| name.ends_with(".json"));
    let contents: Vec<Vec<u8>> =
        files.iter().map(|name| std::fs::read(fixtures("osv").join(name)).unwrap()).collect();
    let mut entries: Vec<(&str, &[u8])> =
        files.iter().map(String::as_str).zip(contents.iter().map(Vec::as_slice)).collect();
    write_zip(&path("deflated.zip"), zip::CompressionMethod::Deflated, &entries);
    entries.reverse();
    entries.push(("index.html", b"not a record"));
    write_zip(&path("stored"), zip::CompressionMethod::Stored, &entries);
    let singles: Vec<PathBuf> = files.iter().map(|name| fixtures("osv").join(name)).collect();
    let mut ids = Vec::new();
    let inputs = [vec![fixtures("osv")], vec![path("deflated.zip")], vec![path("stored")], singles];
    for inputs in inputs {
        let report = try_build(&inputs, &path("advisories.db")).unwrap();
        assert_eq!(report.skipped.unreadable, 0, "{inputs:?}");
        let database = Database::open(&path("advisories.db")).unwrap();
        assert_eq!(database.id(), report.id);
        ids.push(report.id);
    }
    assert!(ids.windows(2).all(|pair| pair[0] == pair[1]), "{ids:?}");
}

#[test]
fn the_same_inputs_give_the_same_bytes_in_any_order() {
    let directory = TempDir::new().unwrap();
    let build_from = |inputs: &[PathBuf]| {
        let output = directory.path().join("advisories.db");
        try_build(inputs, &output).unwrap();
        std::fs::read(output).unwrap()
    };
    let mut inputs =
        vec![fixtures("osv"), fixtures("exploitation").join("kev.json"), fixtures("exploitation")];
    let first = build_from(&inputs);
    assert_eq!(first, build_from(&inputs));
    inputs.reverse();
    assert_eq!(first, build_from(&inputs));
}

#[test]
fn the_id_changes_with_the_content_and_with_nothing_else() {
    let directory = TempDir::new().unwrap();
    let output = directory.path().join("advisories.db");
    let inputs = [fixtures("osv"), fixtures("exploitation")];
    let one = try_build(&inputs, &output).unwrap();
    let later = BuildOptions { built_at: "2025-06-01T12:00:00Z".parse().unwrap() };
    let two = build(&inputs, &output, &later).unwrap();
    assert_eq!(one.id, two.id);
    assert_eq!(Database::open(&output).unwrap().built_at(), later.built_at);
    let without_scores = try_build(&inputs[..1], &output).unwrap();
    assert_ne!(one.id, without_scores.id);
}

#[test]
fn a_database_says_what_it_was_built_from() {
    let directory = TempDir::new().unwrap();
    let output = directory.path().join("advisories.db");
    let report = try_build(&[fixtures("osv"), fixtures("exploitation")], &output).unwrap();
    let database = Database::open(&output).unwrap();
    assert_eq!(database.sources(), report.sources);
    assert_eq!(database.ecosystems(), report.ecosystems);
    let sources: Vec<_> = database
        .sources()
        .iter()
        .map(|source| {
            (source.name.as_str(), source.kind, source.entries, source.data_time.map(|time| time.to_string()))
        })
        .collect();
    let time = |time: &str| Some(time.to_owned());
    assert_eq!(
        sources,
        [
            ("epss.csv", SourceKind::Epss, 4, time("2021-08-31T00:00:00Z")),
            ("kev.json", SourceKind::Kev, 2, time("2025-08-25T17:04:19.9796Z")),
            ("osv", SourceKind::Osv, 36, time("2025-02-16T10:49:58.999338Z")),
        ]
    );
    assert_eq!((report.epss, report.kev), (3, 1));
}

#[test]
fn the_newest_copy_of_a_record_counts() {
    let old = record("GHSA-1", "2024-01-01T00:00:00Z", "a", "1.0.0");
    let new = record("GHSA-1", "2024-06-01T00:00:00Z", "a", "2.0.0");
    for records in [[old.clone(), new.clone()], [new, old]] {
        let (_directory, database) = database_of(&records);
        let findings = match_component(&database, None, &component(Npm, "a", "1.5.0"));
        assert_eq!(findings.len(), 1);
        assert_eq!(findings[0].fix.versions, ["2.0.0"]);
    }
}

#[test]
fn a_withdrawn_record_is_gone_even_if_an_older_copy_is_not() {
    let directory = TempDir::new().unwrap();
    let mut withdrawn = record("GHSA-1", "2024-06-01T00:00:00Z", "a", "2.0.0");
    withdrawn["withdrawn"] = json!("2024-06-01T00:00:00Z");
    let records = [
        withdrawn,
        record("GHSA-1", "2024-01-01T00:00:00Z", "a", "2.0.0"),
        record("GHSA-2", "2024-01-01T00:00:00Z", "b", "1.0.0"),
    ];
    let output = directory.path().join("advisories.db");
    let report = try_build(&write_records(&directory, &records), &output).unwrap();
    assert_eq!((report.advisories, report.skipped.withdrawn, report.skipped.older_copies), (1, 1, 1));
    let database = Database::open(&output).unwrap();
    assert_eq!(match_component(&database, None, &component(Npm, "a", "1.0.0")), []);
    assert_eq!(match_component(&database, None, &component(Npm, "b", "0.1.0")).len(), 1);
}

#[test]
fn what_cannot_be_stored_is_counted() {
    let directory = TempDir::new().unwrap();
    let mut mixed = record("GHSA-1", "2024-01-01T00:00:00Z", "a", "2.0.0");
    mixed["affected"].as_array_mut().unwrap().extend([
        json!({"package": {"ecosystem": "Android", "name": "a:b"}, "versions": ["1"]}),
        json!({"package": {"ecosystem": "CRAN:release:9", "name": "c"}, "versions": ["1"]}),
        json!({"ranges": [{"type": "GIT", "repo": "https://example.org", "events": [{"introduced": "0"}]}]}),
        json!({"package": {"ecosystem": "PyPI", "name": "d"},
            "ranges": [{"type": "GIT", "repo": "https://example.org", "events": [{"introduced": "0"}]}]}),
    ]);
    let inputs = write_records(&directory, &[mixed]);
    std::fs::write(inputs[0].join("broken.json"), r#"{"id": 7, "modified": "2024-01-01T00:00:00Z"}"#)
        .unwrap();
    std::fs::write(inputs[0].join("notes.md"), "# Notes").unwrap();
    let report = try_build(&inputs, &directory.path().join("advisories.db")).unwrap();
    let skipped = report.skipped;
    assert_eq!(
        skipped.ecosystems.into_iter().collect::<Vec<_>>(),
        [("Android".to_owned(), 1), ("CRAN".to_owned(), 1)]
    );
    assert_eq!((skipped.without_package, skipped.without_versions, skipped.unreadable), (1, 1, 1));
    assert_eq!(skipped.unreadable_named[0].name, "records: broken.json line 1");
    assert_eq!(skipped.files, [inputs[0].join("notes.md")]);
}

#[test]
fn listed_versions_count_beside_ranges() {
    let (_directory, database) = database_of(&[json!({
        "id": "PYSEC-1", "modified": "2024-01-01T00:00:00Z",
        "affected": [{"package": {"ecosystem": "PyPI", "name": "Some.Package"},
            "versions": ["1.0", "1.1", "3.0"],
            "ranges": [{"type": "ECOSYSTEM", "events": [{"introduced": "1.0"}, {"fixed": "2.0"}]}]}],
    })]);
    let listed = |version| {
        let findings = match_component(&database, None, &component(Pypi, "some-package", version));
        findings
            .iter()
            .flat_map(|finding| &finding.explanation.matches)
            .map(|one| one.listed)
            .collect::<Vec<_>>()
    };
    // What the range covers is not stored twice.
    assert_eq!(listed("1.1"), [false]);
    assert_eq!(listed("3.0"), [true]);
    assert_eq!(listed("2.0"), [false; 0]);
}

#[test]
fn long_texts_can_be_read_by_any_name() {
    let (_directory, database) = support::fixture_database();
    let by_cve = database.advisories_named("CVE-2022-28346");
    let ids: Vec<_> = by_cve.iter().map(|advisory| advisory.id.as_str()).collect();
    assert_eq!(ids, ["CVE-2022-28346", "GHSA-2gwj-7jmv-h26r", "PYSEC-2022-190"]);
    assert_eq!(by_cve[1].canonical, "CVE-2022-28346");
    assert_eq!(by_cve[1].summary, "SQL Injection in Django");
    assert!(by_cve[1].details.contains("QuerySet.annotate"), "{}", by_cve[1].details);
    assert!(by_cve[1].references.iter().any(|link| link.kind == "FIX" || link.url.contains("django")));
    assert_eq!(database.advisories_named("GHSA-2gwj-7jmv-h26r").len(), 3);
    assert_eq!(database.advisories_named("CVE-1999-0001"), []);
}

/// The error of a build that must leave everything as it was.
fn failure(directory: &TempDir, inputs: &[PathBuf]) -> Error {
    let output = directory.path().join("advisories.db");
    std::fs::write(&output, "what was there before").unwrap();
    let before = names(directory.path());
    let error = try_build(inputs, &output).unwrap_err();
    assert_eq!(names(directory.path()), before, "nothing else is left behind");
    assert_eq!(std::fs::read_to_string(&output).unwrap(), "what was there before");
    error
}

#[test]
fn inputs_of_no_known_kind_are_refused() {
    let directory = TempDir::new().unwrap();
    for (name, content) in
        [("text", "hello"), ("empty", ""), ("other.json", r#"{"a": 1}"#), ("list.json", "[]")]
    {
        let path = directory.path().join(name);
        std::fs::write(&path, content).unwrap();
        assert!(
            matches!(failure(&directory, std::slice::from_ref(&path)), Error::UnknownInput { .. }),
            "{name}"
        );
    }
    let missing = directory.path().join("missing.zip");
    assert!(matches!(failure(&directory, &[missing]), Error::ReadInput { .. }));
}

#[test]
fn broken_inputs_are_refused_with_a_reason() {
    let directory = TempDir::new().unwrap();
    let path = |name: &str| directory.path().join(name);
    let refused = |name: &str, content: &[u8]| {
        std::fs::write(path(name), content).unwrap();
        failure(&directory, &[path(name)]).to_string()
    };
    let told = refused("half.json", br#"{"id": "GHSA-1", "#);
    assert!(told.contains("half.json is broken: EOF"), "{told}");
    let told = refused("kev.json", br#"{"catalogVersion": "1", "vulnerabilities": [{"cveID": 1}]}"#);
    assert!(told.contains("kev.json is broken: invalid type"), "{told}");
    let told = refused("epss.csv", b"cve,epss,percentile\nCVE-2024-1,high,0.5\n");
    assert!(told.contains("epss.csv is broken: line 2"), "{told}");
    let told = refused("epss.csv", b"cve,epss,percentile\nCVE-2024-1,7,0.5\n");
    assert!(told.contains("line 2"), "{told}");
    write_zip(
        &path("all.zip"),
        zip::CompressionMethod::Deflated,
        &[("a.json", &[b' '; 4000]), ("b.json", b"{}")],
    );
    let whole = std::fs::read(path("all.zip")).unwrap();
    let told = refused("all.zip", &whole[..whole.len() / 2]);
    assert!(told.contains("the archive") && told.contains("Download it again"), "{told}");
    let mut flipped = whole;
    flipped[40] ^= 0xff;
    let told = refused("all.zip", &flipped);
    assert!(told.contains("its entry a.json is damaged"), "{told}");
}

#[test]
fn inputs_without_anything_to_match_make_no_database() {
    let directory = TempDir::new().unwrap();
    let android = json!({"id": "GHSA-1", "modified": "2024-01-01T00:00:00Z",
        "affected": [{"package": {"ecosystem": "Android", "name": "a:b"}, "versions": ["1"]}]});
    let inputs = write_records(&directory, &[android]);
    assert!(matches!(failure(&directory, &inputs), Error::NothingToStore));
    assert!(matches!(failure(&directory, &[]), Error::NothingToStore));
    assert!(matches!(failure(&directory, &[fixtures("exploitation")]), Error::NothingToStore));
}

#[test]
fn a_place_that_cannot_be_written_is_named() {
    let directory = TempDir::new().unwrap();
    let output = directory.path().join("missing/advisories.db");
    let error = try_build(&[fixtures("osv")], &output).unwrap_err();
    assert!(matches!(&error, Error::Write { path, .. } if *path == output), "{error:?}");
}

#[test]
fn an_entry_that_unpacks_without_end_is_passed_over() {
    let directory = TempDir::new().unwrap();
    let bomb = vec![b' '; (64 << 20) + 1];
    let good = record("GHSA-1", "2024-01-01T00:00:00Z", "a", "1.0.0").to_string();
    let archive = directory.path().join("all.zip");
    write_zip(
        &archive,
        zip::CompressionMethod::Deflated,
        &[("bomb.json", &bomb), ("good.json", good.as_bytes())],
    );
    let report = try_build(&[archive], &directory.path().join("advisories.db")).unwrap();
    assert_eq!((report.advisories, report.skipped.unreadable), (1, 1));
    assert_eq!(report.skipped.unreadable_named[0].reason, "it is longer than 64 MiB");
}

#[test]
fn gzipped_scores_are_read() {
    let directory = TempDir::new().unwrap();
    let scores = directory.path().join("scores");
    let mut encoder =
        flate2::write::GzEncoder::new(File::create(&scores).unwrap(), flate2::Compression::fast());
    encoder.write_all(&std::fs::read(fixtures("exploitation").join("epss.csv")).unwrap()).unwrap();
    encoder.finish().unwrap();
    let output = directory.path().join("advisories.db");
    try_build(&[fixtures("osv"), scores], &output).unwrap();
    let epss = Database::open(&output).unwrap().epss("CVE-2021-33560").unwrap();
    assert_eq!(epss.score.to_string(), "0.01659");
}

#[test]
fn a_fingerprint_changes_with_what_is_known_of_the_package() {
    let base = [
        record("GHSA-1", "2024-01-01T00:00:00Z", "a", "1.0.0"),
        record("GHSA-2", "2024-01-01T00:00:00Z", "b", "1.0.0"),
    ];
    let fingerprints = |records: &[Value]| {
        let (_directory, database) = database_of(records);
        ["a", "b", "c"].map(|name| database.lookup_fingerprint(None, &component(Npm, name, "0.5.0")))
    };
    let first = fingerprints(&base);
    assert_eq!(first, fingerprints(&base));
    // Another record for `b`, and one for a package that sorts before both.
    let mut more = base.to_vec();
    more.push(record("GHSA-3", "2024-01-01T00:00:00Z", "b", "3.0.0"));
    more.push(record("GHSA-0", "2024-01-01T00:00:00Z", "0", "3.0.0"));
    let second = fingerprints(&more);
    assert_eq!((first[0], first[2]), (second[0], second[2]));
    assert_ne!(first[1], second[1]);
    // A changed range.
    let mut changed = base.to_vec();
    changed[0] = record("GHSA-1", "2024-01-01T00:00:00Z", "a", "1.0.1");
    assert_ne!(first[0], fingerprints(&changed)[0]);
}
