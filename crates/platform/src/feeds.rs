//! Public feeds of advisories: which there are, and fetching what changed of them.
//!
//! Each feed is one or more files in a directory, beside a note of what the server said of them, so that the next fetch
//! asks only for what is newer. A file takes the place of the one before once all of it has come and can be read; a feed
//! that fails keeps what it has, and says so. Feeds whose licence restricts what may be done with them, and very large
//! ones, are off until somebody turns them on.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use futures_util::StreamExt as _;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use tidewaiter_advisory::check;

use crate::error::{Error, Result};

/// A feed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Feed {
    /// Its name, which is that of its files too.
    pub name: &'static str,
    /// Where its files are.
    pub place: Place,
    /// Under which terms it is published.
    pub licence: &'static str,
    /// Fetched unless somebody turns it off.
    pub is_on: bool,
}

impl Feed {
    /// Whether a file here is one of this feed's: it bears its name, or that and what tells its parts apart.
    #[must_use]
    pub fn owns(&self, file: &str) -> bool {
        file.strip_prefix(self.name).is_some_and(|rest| rest.is_empty() || rest.starts_with('@'))
    }
}

/// Where the files of a feed are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// OSV's export of an ecosystem, by its name as it stands in the URL.
    Osv(&'static str),
    /// At this address.
    At(&'static str),
    /// At each of these, `{}` standing for the part that differs.
    Each(&'static str, &'static [&'static str]),
    /// In the directory of this text file, which names it.
    NamedBy(&'static str),
}

const OSV: &str = "https://osv-vulnerabilities.storage.googleapis.com";
/// Licences of what OSV passes on.
const GHSA: &str = "CC-BY-4.0 (GitHub Advisory Database) and others, per record";
const FACTS: &str = "facts, no licence stated";

const fn osv(name: &'static str, ecosystem: &'static str, licence: &'static str) -> Feed {
    Feed { name, place: Place::Osv(ecosystem), licence, is_on: true }
}

/// Every feed there is.
pub const FEEDS: [Feed; 32] = [
    osv("osv-almalinux", "AlmaLinux", "MIT"),
    osv("osv-alpine", "Alpine", FACTS),
    osv("osv-bitnami", "Bitnami", "Apache-2.0"),
    osv("osv-crates.io", "crates.io", "CC0-1.0 (RustSec)"),
    osv("osv-debian", "Debian", FACTS),
    osv("osv-go", "Go", "CC-BY-4.0"),
    osv("osv-hex", "Hex", "CC-BY-4.0"),
    osv("osv-maven", "Maven", GHSA),
    osv("osv-npm", "npm", GHSA),
    osv("osv-nuget", "NuGet", GHSA),
    osv("osv-opensuse", "openSUSE", "CC-BY-4.0"),
    osv("osv-packagist", "Packagist", GHSA),
    osv("osv-pub", "Pub", GHSA),
    osv("osv-pypi", "PyPI", "CC-BY-4.0 (PyPA, GitHub)"),
    osv("osv-red-hat", "Red%20Hat", "CC-BY-4.0"),
    osv("osv-rocky-linux", "Rocky%20Linux", "BSD-3-Clause"),
    osv("osv-rubygems", "RubyGems", "CC-BY-4.0 (RubySec, GitHub)"),
    osv("osv-suse", "SUSE", "CC-BY-4.0"),
    osv("osv-ubuntu", "Ubuntu", "CC-BY-SA-4.0"),
    Feed {
        name: "debian-tracker",
        place: Place::At("https://security-tracker.debian.org/tracker/data/json"),
        licence: FACTS,
        is_on: true,
    },
    Feed {
        name: "alpine-secdb",
        place: Place::Each(
            "https://secdb.alpinelinux.org/{}.json",
            &[
                "v3.18/main",
                "v3.18/community",
                "v3.19/main",
                "v3.19/community",
                "v3.20/main",
                "v3.20/community",
                "v3.21/main",
                "v3.21/community",
                "v3.22/main",
                "v3.22/community",
                "v3.23/main",
                "v3.23/community",
            ],
        ),
        licence: FACTS,
        is_on: false,
    },
    Feed {
        name: "red-hat-vex",
        place: Place::NamedBy("https://security.access.redhat.com/data/csaf/v2/vex/archive_latest.txt"),
        licence: "CC-BY-4.0",
        is_on: false,
    },
    Feed {
        name: "go-vulndb",
        place: Place::At("https://vuln.go.dev/vulndb.zip"),
        licence: "CC-BY-4.0",
        is_on: false,
    },
    Feed {
        name: "rustsec",
        place: Place::At("https://github.com/rustsec/advisory-db/archive/refs/heads/osv.zip"),
        licence: "CC0-1.0",
        is_on: false,
    },
    Feed {
        name: "cve",
        place: Place::At("https://github.com/CVEProject/cvelistV5/archive/refs/heads/main.zip"),
        licence: "CVE terms of use",
        is_on: false,
    },
    Feed {
        name: "kev",
        place: Place::At(
            "https://www.cisa.gov/sites/default/files/feeds/known_exploited_vulnerabilities.json",
        ),
        licence: "CC0-1.0",
        is_on: true,
    },
    Feed {
        name: "epss",
        place: Place::At("https://epss.empiricalsecurity.com/epss_scores-current.csv.gz"),
        licence: "free with attribution to FIRST",
        is_on: true,
    },
    Feed {
        name: "support-dates",
        place: Place::At("https://endoflife.date/api/v1/products/full"),
        licence: "MIT (endoflife.date)",
        is_on: true,
    },
    Feed {
        name: "wolfi-secdb",
        place: Place::At("https://packages.wolfi.dev/os/security.json"),
        licence: "CC-BY-NC-ND-4.0, no use in competing offerings",
        is_on: false,
    },
    Feed {
        name: "chainguard-secdb",
        place: Place::At("https://packages.cgr.dev/chainguard/security.json"),
        licence: "CC-BY-NC-ND-4.0, no use in competing offerings",
        is_on: false,
    },
    Feed { is_on: false, ..osv("osv-wolfi", "Wolfi", "CC-BY-NC-ND-4.0, no use in competing offerings") },
    Feed {
        is_on: false,
        ..osv("osv-chainguard", "Chainguard", "CC-BY-NC-ND-4.0, no use in competing offerings")
    },
];

/// What is known of a file of a feed.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileState {
    /// What the server calls this version of it.
    pub etag: Option<String>,
    /// When the server says it changed.
    pub last_modified: Option<String>,
    /// When it was last fetched.
    pub fetched_at: Option<Timestamp>,
    /// When it was last asked for.
    pub checked_at: Option<Timestamp>,
    /// Bytes.
    pub size: u64,
    /// Why the last attempt failed, when it did.
    pub error: Option<String>,
}

/// The name of the note beside the files.
const NOTE: &str = "feeds.json";
/// No file of a feed is larger.
const LARGEST: u64 = 8 << 30;
const CONNECT: Duration = Duration::from_secs(20);
/// A server that sends nothing for so long is given up.
const SILENCE: Duration = Duration::from_secs(60);

/// What became of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// A newer version came, of so many bytes.
    Fetched(u64),
    /// It is what it was.
    Unchanged,
    /// It could not be fetched or read; what was there before stays.
    Failed(String),
}

/// The files of feeds, and where they come from.
#[derive(Debug)]
pub struct FeedStore {
    directory: PathBuf,
    /// In place of all addresses: a server that has every file under its name here.
    mirror: Option<String>,
    http: reqwest::Client,
}

impl FeedStore {
    /// A store in a directory, which is made if it is not there.
    ///
    /// # Errors
    /// When the directory cannot be made.
    pub fn open(directory: &Path, mirror: Option<&str>) -> Result<Self> {
        std::fs::create_dir_all(directory).map_err(|source| failed(directory, source))?;
        let http = reqwest::Client::builder()
            .connect_timeout(CONNECT)
            .read_timeout(SILENCE)
            .user_agent(concat!("tidewaiter/", env!("CARGO_PKG_VERSION")))
            .build()
            .map_err(|source| Error::Fetch { url: String::new(), reason: source.to_string() })?;
        let mirror = mirror.map(|mirror| mirror.trim_end_matches('/').to_owned());
        Ok(Self { directory: directory.to_owned(), mirror, http })
    }

    /// What is known of every file, by name.
    #[must_use]
    pub fn states(&self) -> BTreeMap<String, FileState> {
        let note = std::fs::read(self.directory.join(NOTE)).unwrap_or_default();
        serde_json::from_slice(&note).unwrap_or_default()
    }

    /// Fetches what changed of some feeds; `told` hears of each file.
    ///
    /// # Errors
    /// Only when nothing can be written; a feed that fails is told of and keeps what it has.
    pub async fn update(
        &self,
        feeds: &[Feed],
        now: Timestamp,
        mut told: impl FnMut(&str, &Outcome),
    ) -> Result<()> {
        let mut states = self.states();
        for feed in feeds {
            let files = match self.files(feed).await {
                Ok(files) => files,
                Err(reason) => {
                    told(feed.name, &Outcome::Failed(reason));
                    continue;
                }
            };
            for (file, url) in files {
                let mut state = states.remove(&file).unwrap_or_default();
                let outcome = self.fetch(&file, &url, &mut state).await?;
                state.checked_at = Some(now);
                match &outcome {
                    Outcome::Fetched(size) => {
                        (state.size, state.fetched_at, state.error) = (*size, Some(now), None);
                    }
                    Outcome::Unchanged => state.error = None,
                    Outcome::Failed(reason) => state.error = Some(reason.clone()),
                }
                told(&file, &outcome);
                states.insert(file, state);
                self.keep(&states)?;
            }
        }
        Ok(())
    }

    /// The files of these feeds that are there, to build a database from.
    #[must_use]
    pub fn present(&self, feeds: &[Feed]) -> Vec<PathBuf> {
        let states = self.states();
        let names = states.keys().filter(|file| feeds.iter().any(|feed| feed.owns(file)));
        names.map(|file| self.directory.join(file)).filter(|path| path.is_file()).collect()
    }

    /// The names of the files of a feed here, and where each is.
    async fn files(&self, feed: &Feed) -> Result<Vec<(String, String)>, String> {
        let at = |url: String, file: &str| match &self.mirror {
            Some(mirror) => format!("{mirror}/{file}"),
            None => url,
        };
        let one = |url: String| Ok(vec![(feed.name.to_owned(), at(url, feed.name))]);
        match feed.place {
            Place::Osv(ecosystem) => one(format!("{OSV}/{ecosystem}/all.zip")),
            Place::At(url) => one(url.to_owned()),
            Place::NamedBy(url) if self.mirror.is_some() => one(url.to_owned()),
            Place::NamedBy(url) => {
                let answer = self.http.get(url).send().await.and_then(reqwest::Response::error_for_status);
                let text =
                    answer.map_err(|error| reason(&error))?.text().await.map_err(|error| reason(&error))?;
                let name = text.trim();
                let is_name =
                    !name.is_empty() && name.len() < 200 && !name.contains(['/', '\\', '?', '#', '\n']);
                let directory = url.rsplit_once('/').map_or(url, |(directory, _)| directory);
                if is_name { one(format!("{directory}/{name}")) } else { Err(format!("{url} names no file")) }
            }
            Place::Each(url, parts) => {
                let each = parts.iter().map(|part| {
                    let file = format!("{}@{}", feed.name, part.replace('/', "-"));
                    let url = at(url.replace("{}", part), &file);
                    (file, url)
                });
                Ok(each.collect())
            }
        }
    }

    async fn fetch(&self, file: &str, url: &str, state: &mut FileState) -> Result<Outcome> {
        let target = self.directory.join(file);
        let mut request = self.http.get(url);
        if target.is_file() {
            if let Some(etag) = &state.etag {
                request = request.header("if-none-match", etag);
            }
            if let Some(time) = &state.last_modified {
                request = request.header("if-modified-since", time);
            }
        }
        let answer = match request.send().await {
            Ok(answer) => answer,
            Err(error) => return Ok(Outcome::Failed(reason(&error))),
        };
        if answer.status().as_u16() == 304 {
            return Ok(Outcome::Unchanged);
        }
        if !answer.status().is_success() {
            return Ok(Outcome::Failed(format!("{url} answers {}", answer.status())));
        }
        let header =
            |name: &str| answer.headers().get(name).and_then(|value| value.to_str().ok()).map(str::to_owned);
        let (etag, last_modified) = (header("etag"), header("last-modified"));
        let mut new = tempfile::Builder::new()
            .prefix(".feed-")
            .tempfile_in(&self.directory)
            .map_err(|source| failed(&target, source))?;
        let mut size = 0_u64;
        let mut pieces = answer.bytes_stream();
        while let Some(piece) = pieces.next().await {
            let piece = match piece {
                Ok(piece) => piece,
                Err(error) => return Ok(Outcome::Failed(reason(&error))),
            };
            size += piece.len() as u64;
            if size > LARGEST {
                return Ok(Outcome::Failed(format!("{url} sends more than {} GiB", LARGEST >> 30)));
            }
            new.write_all(&piece).map_err(|source| failed(&target, source))?;
        }
        new.as_file().sync_all().map_err(|source| failed(&target, source))?;
        // What cannot be read must not take the place of what can.
        let path = new.path().to_owned();
        let checked = tokio::task::spawn_blocking(move || check(&path))
            .await
            .map_err(|source| Error::Task { what: "reading a feed", source })?;
        if let Err(error) = checked {
            let text = error.to_string().replace(&new.path().display().to_string(), url);
            return Ok(Outcome::Failed(text));
        }
        new.persist(&target).map_err(|error| failed(&target, error.error))?;
        (state.etag, state.last_modified) = (etag, last_modified);
        Ok(Outcome::Fetched(size))
    }

    fn keep(&self, states: &BTreeMap<String, FileState>) -> Result<()> {
        let path = self.directory.join(NOTE);
        let text = serde_json::to_vec_pretty(states)
            .map_err(|source| Error::EncodeObject { key: NOTE.to_owned(), source })?;
        let mut new =
            tempfile::NamedTempFile::new_in(&self.directory).map_err(|source| failed(&path, source))?;
        new.write_all(&text).map_err(|source| failed(&path, source))?;
        new.persist(&path).map_err(|error| failed(&path, error.error))?;
        Ok(())
    }
}

fn failed(path: &Path, source: std::io::Error) -> Error {
    Error::WriteFeed { path: path.to_owned(), source }
}

/// An error of the network in one line, with what is behind it.
fn reason(error: &reqwest::Error) -> String {
    let mut text = error.to_string();
    let mut source = std::error::Error::source(error);
    while let Some(cause) = source {
        let cause_text = cause.to_string();
        if !text.contains(&cause_text) {
            text.push_str(": ");
            text.push_str(&cause_text);
        }
        source = cause.source();
    }
    text
}
