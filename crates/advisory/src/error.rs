//! The errors of this crate, named by the operation that failed.

use std::io;
use std::path::PathBuf;

/// Why a database could not be built or opened.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// An input could not be read.
    #[error("cannot read the advisory data {}", path.display())]
    ReadInput {
        /// The input.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// An input is a zip archive that is damaged, or that holds more than any real export does.
    #[error("the archive {} cannot be used: {reason}. Download it again", path.display())]
    BadArchive {
        /// The archive.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// An input is none of the kinds that are understood.
    #[error(
        "{} is not advisory data: expected OSV, CSAF or CVE records (an archive, a directory or JSON files), Debian's \
         tracker, a secdb, the KEV catalogue or dates of support (JSON), or EPSS scores (CSV)",
        path.display()
    )]
    UnknownInput {
        /// The input.
        path: PathBuf,
    },
    /// An input is of a known kind, but its content is broken.
    #[error("{} is broken: {reason}", path.display())]
    BadInput {
        /// The input.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// The inputs held nothing that can be matched.
    #[error(
        "the inputs hold no advisory for an ecosystem that Tidewaiter matches, as Debian, npm or PyPI; no database was \
         written"
    )]
    NothingToStore,
    /// The inputs hold more than a database of this format can address.
    #[error("the inputs are too large for one database: more than {limit} {what}")]
    TooLarge {
        /// What there is too much of.
        what: &'static str,
        /// How much is possible.
        limit: u64,
    },
    /// The database could not be written; the file that was there before is untouched.
    #[error("cannot write the advisory database {}", path.display())]
    Write {
        /// Where it was to be.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The database file could not be opened or mapped.
    #[error("cannot open the advisory database {}", path.display())]
    Open {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The file is something else.
    #[error("{} is not a Tidewaiter advisory database; build one with `tidewaiter db build`", path.display())]
    NotADatabase {
        /// The file.
        path: PathBuf,
    },
    /// The file was made by another version of Tidewaiter.
    #[error(
        "the advisory database {} was made by {} version of Tidewaiter (format {found}, this one reads {expected}); \
         build it again with `tidewaiter db build`",
        path.display(),
        if found > expected { "a newer" } else { "an older" }
    )]
    OtherFormat {
        /// The file.
        path: PathBuf,
        /// The format of the file.
        found: u32,
        /// The format this version reads.
        expected: u32,
    },
    /// The file is cut short or changed.
    #[error(
        "the advisory database {} is damaged ({what}); build it again with `tidewaiter db build`",
        path.display()
    )]
    Damaged {
        /// The file.
        path: PathBuf,
        /// Which part.
        what: String,
    },
}
