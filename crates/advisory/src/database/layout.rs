//! The file format of the compiled database, shared by its writer and its reader.
//!
//! Everything is little-endian. A header names the sections; tables are rows of fixed size; rows point at
//! each other by row number and at texts by their number in the one sorted string table, so comparing two
//! texts is comparing two numbers. Reading copies the few numbers of a row out of the mapped file after
//! checking its bounds: nothing is ever cast, and a number that points nowhere yields `None`.
//!
//! ```text
//! magic · format · section count · id · file length · (kind, offset, length, CRC-32) per section · CRC-32
//! ```
//!
//! The checksums find damage; they are no protection against a file made to deceive, which the checked reads
//! are. The id is made of SHA-256 digests of the content.
//!
//! | section | rows |
//! |---|---|
//! | `Meta` | JSON: when it was built, from which sources; not part of the id |
//! | `StringEnds`, `Strings` | end offset of each text; the texts in byte order, each once |
//! | `Ecosystems` | [`EcosystemRow`], by name: which keys belong to it |
//! | `Keys` | [`KeyRow`], by ecosystem and package name: which entries name it |
//! | `Entries` | [`EntryRow`]: one record says something of one package |
//! | `Events` | [`EventRow`]: the ranges of the entries |
//! | `Lists` | string numbers, for everything that is a list of texts |
//! | `Records` | [`RecordRow`], by id |
//! | `Summaries` | the one-line texts of the records, apart so that the names that are searched lie close |
//! | `Names` | [`NameRow`], by name: every id and alias, and the record that bears it |
//! | `Epss`, `Kev` | [`EpssRow`], [`KevRow`], by CVE |
//! | `Support` | JSON: until when releases of distributions are supported |
//! | `Frames`, `Texts` | [`FrameRow`]; zstd frames of the long texts, which matching never touches |

/// The first bytes of every database, whatever its format.
pub(crate) const MAGIC: [u8; 16] = *b"TidewaiterAdvDB\0";
/// The format described here. It changes with any change to the sections, their rows or their order.
pub(crate) const FORMAT: u32 = 2;
/// Length of magic, format, section count, id and file length.
pub(crate) const FIXED_HEADER: usize = 16 + 4 + 4 + 32 + 8;
/// Length of one entry of the section table.
pub(crate) const SECTION_ENTRY: usize = 4 + 8 + 8 + 4;
/// Length of everything before the first section.
pub(crate) const HEADER: usize = FIXED_HEADER + SECTION_ENTRY * Section::ALL.len() + 4;
/// Sections begin at multiples of this.
pub(crate) const ALIGNMENT: u64 = 8;
/// The most bytes of one frame of texts before compression.
pub(crate) const MAX_FRAME: usize = 4 << 20;
/// In place of the number of a text: there is none.
pub(crate) const NONE: u32 = u32::MAX;

/// The sections, in the order of the section table.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Section {
    Meta,
    StringEnds,
    Strings,
    Ecosystems,
    Keys,
    Entries,
    Events,
    Lists,
    Records,
    Summaries,
    Names,
    Epss,
    Kev,
    Support,
    Frames,
    Texts,
}

impl Section {
    pub(crate) const ALL: [Self; 16] = [
        Self::Meta,
        Self::StringEnds,
        Self::Strings,
        Self::Ecosystems,
        Self::Keys,
        Self::Entries,
        Self::Events,
        Self::Lists,
        Self::Records,
        Self::Summaries,
        Self::Names,
        Self::Epss,
        Self::Kev,
        Self::Support,
        Self::Frames,
        Self::Texts,
    ];

    pub(crate) fn number(self) -> u32 {
        self as u32
    }

    /// What the section holds, for messages.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Meta => "description",
            Self::StringEnds | Self::Strings => "strings",
            Self::Ecosystems => "ecosystems",
            Self::Keys => "packages",
            Self::Entries => "entries",
            Self::Events => "ranges",
            Self::Lists => "lists",
            Self::Records => "records",
            Self::Summaries => "summaries",
            Self::Names => "names",
            Self::Epss => "EPSS scores",
            Self::Kev => "known exploited vulnerabilities",
            Self::Support => "dates of support",
            Self::Frames | Self::Texts => "texts",
        }
    }
}

/// A value of fixed size in a row.
pub(crate) trait Field: Copy {
    const SIZE: usize;
    fn put(&self, out: &mut Vec<u8>);
    /// Takes the value off the front.
    fn take(bytes: &mut &[u8]) -> Option<Self>;
}

macro_rules! number_field {
    ($($number:ty),*) => {$(
        impl Field for $number {
            const SIZE: usize = size_of::<$number>();
            fn put(&self, out: &mut Vec<u8>) {
                out.extend_from_slice(&self.to_le_bytes());
            }
            fn take(bytes: &mut &[u8]) -> Option<Self> {
                let (value, rest) = bytes.split_first_chunk()?;
                *bytes = rest;
                Some(Self::from_le_bytes(*value))
            }
        }
    )*};
}
number_field!(u8, u32, u64, i64);

impl<const N: usize> Field for [u8; N] {
    const SIZE: usize = N;
    fn put(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(self);
    }
    fn take(bytes: &mut &[u8]) -> Option<Self> {
        let (value, rest) = bytes.split_first_chunk()?;
        *bytes = rest;
        Some(*value)
    }
}

/// Declares a row: its fields are written and read in the order they are listed.
macro_rules! row {
    ($(#[$attribute:meta])* struct $name:ident { $($(#[$note:meta])* $field:ident: $kind:ty,)* }) => {
        $(#[$attribute])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub(crate) struct $name { $($(#[$note])* pub(crate) $field: $kind,)* }

        impl Field for $name {
            const SIZE: usize = 0 $(+ <$kind as Field>::SIZE)*;
            fn put(&self, out: &mut Vec<u8>) {
                $(self.$field.put(out);)*
            }
            fn take(bytes: &mut &[u8]) -> Option<Self> {
                Some(Self { $($field: Field::take(bytes)?,)* })
            }
        }
    };
}

row! {
    /// A run of rows in another table.
    struct Run {
        first: u32,
        count: u32,
    }
}

impl Run {
    /// The numbers of the rows.
    pub(crate) fn rows(self) -> std::ops::Range<u32> {
        self.first..self.first.saturating_add(self.count)
    }
}

row! {
    /// An ecosystem, for example `Debian:12`.
    struct EcosystemRow {
        name: u32,
        /// Rows of `Keys`.
        keys: Run,
    }
}

row! {
    /// A package of an ecosystem.
    struct KeyRow {
        name: u32,
        /// Rows of `Entries`.
        entries: Run,
        /// Changes when anything that is known of this package does, apart from EPSS scores.
        fingerprint: [u8; 16],
    }
}

row! {
    /// What one record says of one package.
    struct EntryRow {
        /// Row of `Records`.
        record: u32,
        /// Rows of `Events`: all ranges, one after the other, each sorted.
        events: Run,
        /// Rows of `Lists`: versions affected by name.
        versions: Run,
        /// Rows of `Lists`: for a security announcement the CVEs it stands for here, for every other record
        /// the announcements of its fix.
        linked: Run,
        /// Why the status is what it is, in the words of whoever says so, or [`NONE`].
        note: u32,
        /// How bad the distribution rates it in this package, [`Severity`](crate::Severity) as a byte.
        severity: u8,
        /// [`Status`](crate::feeds::record::Status) as a byte.
        status: u8,
        /// 1 when a version in the ranges is none in the order of the ecosystem.
        malformed: u8,
    }
}

row! {
    /// One event of a range.
    struct EventRow {
        version: u32,
        /// [`EventKind`](crate::range::EventKind) as a byte.
        kind: u8,
        /// 1 where a new range begins.
        starts_range: u8,
    }
}

row! {
    /// An advisory.
    struct RecordRow {
        id: u32,
        /// The name it is shown under, the CVE where there is one.
        canonical: u32,
        /// Rows of `Lists`: every other name.
        aliases: Run,
        /// Rows of `Lists`: the ecosystems it speaks of.
        ecosystems: Run,
        /// Rows of `Lists`: the module streams of RPM packages that it is about, `nodejs:18` each.
        streams: Run,
        /// What sort of mistake it is, `CWE-79`, or [`NONE`].
        weakness: u32,
        /// Bytes of `Summaries`.
        summary: Run,
        /// CVSS vector, or [`NONE`].
        vector: u32,
        /// CVSS score in tenths.
        tenths: u8,
        severity: u8,
        severity_source: u8,
        /// 1 for a security announcement that names CVEs.
        announcement: u8,
        /// Microseconds since 1970, or [`NO_TIME`].
        published: i64,
        modified: i64,
        /// Row of `Frames`, and where in the frame the long text is.
        frame: u32,
        offset: u32,
        length: u32,
    }
}

/// In place of a time: it is not known.
pub(crate) const NO_TIME: i64 = i64::MIN;

row! {
    /// A name of a record.
    struct NameRow {
        name: u32,
        record: u32,
    }
}

row! {
    /// Exploit prediction, both in billionths.
    struct EpssRow {
        cve: u32,
        score: u32,
        percentile: u32,
    }
}

row! {
    /// A known exploited vulnerability; dates as texts.
    struct KevRow {
        cve: u32,
        added: u32,
        due: u32,
        /// 1 when ransomware is known to use it.
        ransomware: u8,
    }
}

row! {
    /// One zstd frame of long texts.
    struct FrameRow {
        offset: u64,
        length: u32,
        /// Length before compression.
        unpacked: u32,
    }
}
