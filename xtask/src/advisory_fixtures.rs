//! Takes the records that the demo and the end-to-end tests need out of OSV's bulk exports.
//!
//! A record is kept when it is of a wanted year and affects a wanted package; what it says of other packages
//! and releases, its references and most of a long text go, so that the set stays small enough to read in a
//! diff. Ids, ranges, severities and times stay as published.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::Write as _;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use serde_json::Value;

/// Arguments of the chore.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// Directory with the exports, named `<ecosystem>.zip`.
    #[arg(long)]
    osv: PathBuf,
    /// Directory to write `<ecosystem>.jsonl` to.
    #[arg(long, default_value = "crates/demo/fixtures/advisories")]
    out: PathBuf,
}

/// What is wanted of one export: ecosystems, package names, first year of publication.
struct Wanted {
    export: &'static str,
    ecosystems: &'static [&'static str],
    packages: &'static [&'static str],
    since: &'static str,
}

const WANTED: &[Wanted] = &[
    Wanted {
        export: "Debian",
        ecosystems: &["Debian:11", "Debian:12"],
        packages: &[
            "apt",
            "bash",
            "busybox",
            "bzip2",
            "coreutils",
            "curl",
            "dpkg",
            "e2fsprogs",
            "expat",
            "gcc-12",
            "glibc",
            "gnupg2",
            "gnutls28",
            "gzip",
            "krb5",
            "libcap2",
            "libgcrypt20",
            "libtasn1-6",
            "libxml2",
            "ncurses",
            "nettle",
            "openssl",
            "p11-kit",
            "pam",
            "pcre2",
            "perl",
            "shadow",
            "sqlite3",
            "systemd",
            "tar",
            "util-linux",
            "wget",
            "xz-utils",
            "zlib",
        ],
        since: "2021",
    },
    Wanted {
        export: "Alpine",
        ecosystems: &["Alpine:v3.10"],
        packages: &["apk-tools", "busybox", "expat", "libxml2", "musl", "openssl", "zlib"],
        since: "2018",
    },
    Wanted {
        export: "npm",
        ecosystems: &["npm"],
        packages: &["axios", "express", "lodash", "minimist", "node-fetch", "qs", "semver", "ws"],
        since: "2018",
    },
    Wanted {
        export: "PyPI",
        ecosystems: &["PyPI"],
        packages: &["certifi", "django", "jinja2", "pyyaml", "requests", "urllib3"],
        since: "2019",
    },
];

/// How much of a record's text is kept, in characters.
const TEXT_LIMIT: usize = 240;

/// Writes one file an export.
pub(crate) fn run(args: &Args) -> Result<()> {
    for wanted in WANTED {
        let records = select(&args.osv, wanted)?;
        let path = args.out.join(format!("{}.jsonl", wanted.export.to_lowercase()));
        let mut file = File::create(&path).with_context(|| format!("creating {}", path.display()))?;
        for record in records.values() {
            writeln!(file, "{record}")?;
        }
        let size = fs::metadata(&path)?.len();
        print_line(&format!("{}: {} records, {size} bytes", path.display(), records.len()))?;
    }
    Ok(())
}

fn print_line(line: &str) -> Result<()> {
    writeln!(std::io::stdout(), "{line}").context("writing to standard output")
}

fn select(osv: &Path, wanted: &Wanted) -> Result<BTreeMap<String, Value>> {
    let path = osv.join(format!("{}.zip", wanted.export));
    let file = File::open(&path).with_context(|| format!("opening {}", path.display()))?;
    let mut archive = zip::ZipArchive::new(file)?;
    let mut records = BTreeMap::new();
    for position in 0..archive.len() {
        let mut record: Value = serde_json::from_reader(archive.by_index(position)?)?;
        if let Some(id) = keep(&mut record, wanted) {
            records.insert(id, record);
        }
    }
    Ok(records)
}

/// Trims a wanted record and gives its id.
fn keep(record: &mut Value, wanted: &Wanted) -> Option<String> {
    let id = record["id"].as_str()?.to_owned();
    let year = record["published"].as_str().unwrap_or_default();
    if year < wanted.since || !record["withdrawn"].is_null() {
        return None;
    }
    let affected = record["affected"].as_array_mut()?;
    affected.retain(|entry| {
        let package = &entry["package"];
        let name = package["name"].as_str().unwrap_or_default().to_lowercase();
        wanted.ecosystems.contains(&package["ecosystem"].as_str().unwrap_or_default())
            && wanted.packages.contains(&name.as_str())
    });
    if affected.is_empty() {
        return None;
    }
    let fields = record.as_object_mut()?;
    fields.remove("references");
    if let Some(Value::String(details)) = fields.get_mut("details")
        && let Some((cut, _)) = details.char_indices().nth(TEXT_LIMIT)
    {
        details.truncate(cut);
        details.push('…');
    }
    Some(id)
}
