//! Writing the database file: sections one after the other into a temporary file beside the target, the
//! header last, then fsync and rename. See [`layout`](crate::database::layout) for the format.

use std::collections::{BTreeMap, HashMap};
use std::fs::File;
use std::io::{self, BufWriter, Seek, SeekFrom, Write};
use std::path::Path;

use jiff::Timestamp;
use sha2::{Digest, Sha256};

use super::collect::{Advisory, Affected, Collected, Epss};
use super::directory_of;
use super::resolve::Resolved;
use super::spool::Reader;
use crate::Error;
use crate::database::layout::{
    ALIGNMENT, EcosystemRow, EntryRow, EpssRow, EventRow, FORMAT, Field, FrameRow, HEADER, KevRow, KeyRow,
    MAGIC, MAX_FRAME, NO_TIME, NONE, NameRow, RecordRow, Run, Section,
};
use crate::database::{DatabaseId, EcosystemCount, Meta};
use crate::feeds::kev;
use crate::naming;

/// Texts are gathered into frames of about this size: large enough to compress well, small enough that
/// reading one text is quick.
const FRAME_TARGET: usize = 64 << 10;
/// zstd's level for the frames: past it the time doubles for a percent.
const FRAME_LEVEL: i32 = 9;

/// What was written.
pub(super) struct Written {
    /// The content digest.
    pub(super) id: DatabaseId,
    pub(super) size: u64,
    pub(super) meta: Meta,
}

/// Everything a database is made of.
pub(super) struct Content<'a> {
    pub(super) collected: &'a Collected,
    pub(super) resolved: &'a BTreeMap<&'a str, Resolved>,
}

/// Writes the database to `output`, or leaves what was there untouched.
pub(super) fn write(
    content: &Content<'_>,
    texts: Reader,
    built_at: Timestamp,
    output: &Path,
) -> Result<Written, Error> {
    let tables = Tables::of(content)?;
    let meta = tables.meta(content, built_at);
    let (id, size) = write_file(content, tables, texts, &meta, output)
        .map_err(|source| Error::Write { path: output.to_owned(), source })?;
    Ok(Written { id, size, meta })
}

fn write_file(
    content: &Content<'_>,
    tables: Tables<'_>,
    texts: Reader,
    meta: &Meta,
    output: &Path,
) -> io::Result<(DatabaseId, u64)> {
    let directory = directory_of(output);
    let mut builder = tempfile::Builder::new();
    builder.prefix(".advisories-").suffix(".tmp");
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        builder.permissions(std::fs::Permissions::from_mode(0o644));
    }
    let mut file = builder.tempfile_in(directory)?;
    let mut sections = Sections::new(BufWriter::new(file.as_file_mut()))?;
    sections.put(Section::Meta, &serde_json::to_vec(meta)?)?;
    tables.write(content, texts, &mut sections)?;
    let written = sections.finish()?;
    file.as_file().sync_all()?;
    file.persist(output)?;
    // The rename itself is durable only once the directory is.
    File::open(directory)?.sync_all()?;
    Ok(written)
}

/// Writes sections and remembers where they are.
struct Sections<W> {
    out: W,
    position: u64,
    entries: Vec<Entry>,
}

struct Entry {
    section: Section,
    offset: u64,
    length: u64,
    checksum: u32,
    digest: [u8; 32],
}

impl<W: Write + Seek> Sections<W> {
    fn new(mut out: W) -> io::Result<Self> {
        out.write_all(&[0; HEADER])?;
        let mut sections = Self { out, position: HEADER as u64, entries: Vec::new() };
        sections.align()?;
        Ok(sections)
    }

    fn align(&mut self) -> io::Result<()> {
        let padding = self.position.next_multiple_of(ALIGNMENT) - self.position;
        self.out.write_all(&[0; ALIGNMENT as usize][..padding as usize])?;
        self.position += padding;
        Ok(())
    }

    /// Writes a section that is in memory.
    fn put(&mut self, section: Section, bytes: &[u8]) -> io::Result<()> {
        self.put_pieces(section, |write| write(bytes))
    }

    /// Writes a section piece by piece.
    fn put_pieces(
        &mut self,
        section: Section,
        pieces: impl FnOnce(&mut dyn FnMut(&[u8]) -> io::Result<()>) -> io::Result<()>,
    ) -> io::Result<()> {
        self.align()?;
        let offset = self.position;
        let (mut hasher, mut checksum) = (Sha256::new(), crc32fast::Hasher::new());
        let (out, position) = (&mut self.out, &mut self.position);
        pieces(&mut |bytes| {
            hasher.update(bytes);
            checksum.update(bytes);
            *position += bytes.len() as u64;
            out.write_all(bytes)
        })?;
        let length = self.position - offset;
        let (checksum, digest) = (checksum.finalize(), hasher.finalize().into());
        self.entries.push(Entry { section, offset, length, checksum, digest });
        Ok(())
    }

    fn put_rows<R: Field>(&mut self, section: Section, rows: &[R]) -> io::Result<()> {
        let mut bytes = Vec::with_capacity(rows.len() * R::SIZE);
        for row in rows {
            row.put(&mut bytes);
        }
        self.put(section, &bytes)
    }

    /// Writes the header. The id is the digest of all that is content: not of the time of building, nor of
    /// where in the file things are.
    fn finish(mut self) -> io::Result<(DatabaseId, u64)> {
        self.entries.sort_by_key(|entry| entry.section);
        let mut hasher = Sha256::new();
        for entry in self.entries.iter().filter(|entry| entry.section != Section::Meta) {
            hasher.update(entry.section.number().to_le_bytes());
            hasher.update(entry.length.to_le_bytes());
            hasher.update(entry.digest);
        }
        let id: [u8; 32] = hasher.finalize().into();
        let mut header = Vec::with_capacity(HEADER);
        MAGIC.put(&mut header);
        FORMAT.put(&mut header);
        (Section::ALL.len() as u32).put(&mut header);
        id.put(&mut header);
        self.position.put(&mut header);
        for entry in &self.entries {
            entry.section.number().put(&mut header);
            entry.offset.put(&mut header);
            entry.length.put(&mut header);
            entry.checksum.put(&mut header);
        }
        crc32fast::hash(&header).put(&mut header);
        self.out.seek(SeekFrom::Start(0))?;
        self.out.write_all(&header)?;
        self.out.flush()?;
        Ok((DatabaseId::new(id), self.position))
    }
}

/// The tables, ready to be written; only where the texts lie is found while writing.
struct Tables<'a> {
    strings: Strings<'a>,
    ecosystems: Vec<EcosystemRow>,
    keys: Vec<KeyRow>,
    entries: Vec<EntryRow>,
    events: Vec<EventRow>,
    lists: Vec<u32>,
    records: Vec<RecordRow>,
    summaries: String,
    names: Vec<NameRow>,
    epss: Vec<EpssRow>,
    kev: Vec<KevRow>,
}

impl<'a> Tables<'a> {
    fn of(content: &Content<'a>) -> Result<Self, Error> {
        let stored: Vec<&Advisory> =
            content.collected.advisories.values().filter(|advisory| !advisory.affected.is_empty()).collect();
        let exploitation = Exploitation::of(content, &stored);
        let strings = Strings::of(content, &stored, &exploitation)?;
        let mut tables = Self {
            strings,
            ecosystems: Vec::new(),
            keys: Vec::new(),
            entries: Vec::new(),
            events: Vec::new(),
            lists: Vec::new(),
            records: Vec::new(),
            summaries: String::new(),
            names: Vec::new(),
            epss: Vec::new(),
            kev: Vec::new(),
        };
        for advisory in &stored {
            tables.add_record(advisory, &content.resolved[advisory.id.as_str()])?;
        }
        tables.add_keys(content, &stored, &exploitation)?;
        tables.add_exploitation(&exploitation);
        tables.names.sort_by_key(|row| (row.name, row.record));
        tables.names.dedup();
        Ok(tables)
    }

    fn add_record(&mut self, advisory: &Advisory, resolved: &Resolved) -> Result<(), Error> {
        let number = row_number(self.records.len(), "records")?;
        let names = || std::iter::once(&advisory.id).chain(&advisory.aliases).chain([&resolved.canonical]);
        for name in names() {
            self.names.push(NameRow { name: self.strings.number(name), record: number });
        }
        let aliases = self.list(&advisory.aliases)?;
        let mut ecosystems: Vec<String> =
            advisory.affected.iter().map(|affected| affected.ecosystem.clone()).collect();
        ecosystems.sort_unstable();
        ecosystems.dedup();
        let ecosystems = self.list(&ecosystems)?;
        let streams = self.list(&advisory.streams)?;
        let summary = Run {
            first: row_number(self.summaries.len(), "bytes of summaries")?,
            count: row_number(advisory.summary.len(), "bytes of summaries")?,
        };
        self.summaries.push_str(&advisory.summary);
        let cvss = resolved.cvss.as_ref();
        let time = |time: Option<Timestamp>| time.map_or(NO_TIME, Timestamp::as_microsecond);
        self.records.push(RecordRow {
            id: self.strings.number(&advisory.id),
            canonical: self.strings.number(&resolved.canonical),
            aliases,
            ecosystems,
            streams,
            weakness: advisory.weakness.as_ref().map_or(NONE, |weakness| self.strings.number(weakness)),
            summary,
            vector: cvss.map_or(NONE, |cvss| self.strings.number(&cvss.vector)),
            tenths: cvss.map_or(0, |cvss| cvss.tenths),
            severity: resolved.severity.to_byte(),
            severity_source: resolved.severity_source.to_byte(),
            announcement: u8::from(naming::is_announcement(&advisory.id)),
            published: time(advisory.published),
            modified: time(advisory.modified),
            frame: 0,
            offset: 0,
            length: 0,
        });
        Ok(())
    }

    fn add_keys(
        &mut self,
        content: &Content<'_>,
        stored: &[&'a Advisory],
        exploitation: &Exploitation<'a>,
    ) -> Result<(), Error> {
        let mut entries: Vec<(&str, &str, usize, &Affected)> = Vec::new();
        for (number, advisory) in stored.iter().enumerate() {
            for affected in &advisory.affected {
                entries.push((&affected.ecosystem, &affected.name, number, affected));
            }
        }
        entries.sort_by_key(|(ecosystem, name, number, _)| (*ecosystem, *name, *number));
        let bearing = by_name(content, stored);
        for of_ecosystem in entries.chunk_by(|a, b| a.0 == b.0) {
            let first_key = row_number(self.keys.len(), "packages")?;
            for of_key in of_ecosystem.chunk_by(|a, b| a.1 == b.1) {
                let first_entry = row_number(self.entries.len(), "entries")?;
                let mut fingerprint = Fingerprint::default();
                for (_, _, number, affected) in of_key {
                    let advisory = stored[*number];
                    let resolved = &content.resolved[advisory.id.as_str()];
                    fingerprint.add(advisory, affected, resolved, exploitation);
                    // The records of the CVEs that an announcement stands for may rate them.
                    let linked = affected.linked.iter().filter_map(|cve| bearing.get(cve.as_str()));
                    linked.flatten().for_each(|resolved| fingerprint.rating(resolved));
                    self.add_entry(row_number(*number, "records")?, affected)?;
                }
                self.keys.push(KeyRow {
                    name: self.strings.number(of_key[0].1),
                    entries: Run { first: first_entry, count: row_number(of_key.len(), "entries")? },
                    fingerprint: fingerprint.finish(),
                });
            }
            let count = row_number(self.keys.len(), "packages")? - first_key;
            self.ecosystems.push(EcosystemRow {
                name: self.strings.number(of_ecosystem[0].0),
                keys: Run { first: first_key, count },
            });
        }
        Ok(())
    }

    fn add_entry(&mut self, record: u32, affected: &Affected) -> Result<(), Error> {
        let first = row_number(self.events.len(), "events")?;
        for range in &affected.ranges {
            for (place, (kind, version)) in range.iter().enumerate() {
                self.events.push(EventRow {
                    version: self.strings.number(version),
                    kind: kind.to_byte(),
                    starts_range: u8::from(place == 0),
                });
            }
        }
        let events = Run { first, count: row_number(self.events.len(), "events")? - first };
        let versions = self.list(&affected.versions)?;
        let linked = self.list(&affected.linked)?;
        self.entries.push(EntryRow {
            record,
            events,
            versions,
            linked,
            note: note_of(affected).map_or(NONE, |note| self.strings.number(note)),
            severity: affected.severity.to_byte(),
            status: affected.status.to_byte(),
            malformed: u8::from(affected.malformed),
        });
        Ok(())
    }

    fn add_exploitation(&mut self, exploitation: &Exploitation<'a>) {
        for (cve, epss) in &exploitation.epss {
            self.epss.push(EpssRow {
                cve: self.strings.number(cve),
                score: epss.score,
                percentile: epss.percentile,
            });
        }
        for (cve, entry) in &exploitation.kev {
            self.kev.push(KevRow {
                cve: self.strings.number(cve),
                added: self.strings.number(&entry.added),
                due: self.strings.number(&entry.due),
                ransomware: u8::from(entry.ransomware.eq_ignore_ascii_case("known")),
            });
        }
        // The tables are searched by the number of the text.
        self.epss.sort_by_key(|row| row.cve);
        self.kev.sort_by_key(|row| row.cve);
    }

    fn meta(&self, content: &Content<'_>, built_at: Timestamp) -> Meta {
        let ecosystem = |row: &EcosystemRow| EcosystemCount {
            name: self.strings.sorted[row.name as usize].to_owned(),
            packages: u64::from(row.keys.count),
            entries: row.keys.rows().map(|key| u64::from(self.keys[key as usize].entries.count)).sum(),
        };
        Meta {
            built_at,
            sources: content.collected.sources.clone(),
            advisories: self.records.len() as u64,
            ecosystems: self.ecosystems.iter().map(ecosystem).collect(),
            epss: self.epss.len() as u64,
            kev: self.kev.len() as u64,
        }
    }

    fn list(&mut self, texts: &[String]) -> Result<Run, Error> {
        let first = row_number(self.lists.len(), "list items")?;
        self.lists.extend(texts.iter().map(|text| self.strings.number(text)));
        Ok(Run { first, count: row_number(self.lists.len(), "list items")? - first })
    }

    fn write<W: Write + Seek>(
        mut self,
        content: &Content<'_>,
        spool: Reader,
        sections: &mut Sections<W>,
    ) -> io::Result<()> {
        let stored = content.collected.advisories.values().filter(|advisory| !advisory.affected.is_empty());
        let frames = write_texts(stored.zip(&mut self.records), spool, sections)?;
        sections.put_rows(Section::Frames, &frames)?;
        let mut end = 0;
        let ends: Vec<u32> =
            self.strings.sorted.iter().map(|text| (end += text.len() as u32, end).1).collect();
        sections.put_rows(Section::StringEnds, &ends)?;
        sections.put_pieces(Section::Strings, |write| {
            self.strings.sorted.iter().try_for_each(|text| write(text.as_bytes()))
        })?;
        sections.put_rows(Section::Ecosystems, &self.ecosystems)?;
        sections.put_rows(Section::Keys, &self.keys)?;
        sections.put_rows(Section::Entries, &self.entries)?;
        sections.put_rows(Section::Events, &self.events)?;
        sections.put_rows(Section::Lists, &self.lists)?;
        sections.put_rows(Section::Records, &self.records)?;
        sections.put(Section::Summaries, self.summaries.as_bytes())?;
        sections.put_rows(Section::Names, &self.names)?;
        sections.put_rows(Section::Epss, &self.epss)?;
        sections.put_rows(Section::Kev, &self.kev)?;
        sections.put(Section::Support, &serde_json::to_vec(&content.collected.support)?)
    }
}

/// What was found out about the records that bear a name, announcements left out.
fn by_name<'a>(content: &Content<'a>, stored: &[&'a Advisory]) -> HashMap<&'a str, Vec<&'a Resolved>> {
    let mut by_name: HashMap<&str, Vec<&Resolved>> = HashMap::new();
    for advisory in stored.iter().filter(|advisory| !naming::is_announcement(&advisory.id)) {
        let resolved = &content.resolved[advisory.id.as_str()];
        let names = std::iter::once(&advisory.id).chain(&advisory.aliases).chain([&resolved.canonical]);
        for name in names {
            by_name.entry(name).or_default().push(resolved);
        }
    }
    by_name
}

fn note_of(affected: &Affected) -> Option<&str> {
    Some(affected.note.as_str()).filter(|note| !note.is_empty())
}

/// Gathers the long texts into frames, writes them, and notes in each record where its text is.
fn write_texts<'a, W: Write + Seek>(
    records: impl Iterator<Item = (&'a Advisory, &'a mut RecordRow)>,
    mut spool: Reader,
    sections: &mut Sections<W>,
) -> io::Result<Vec<FrameRow>> {
    let mut frames: Vec<FrameRow> = Vec::new();
    let mut compressor = zstd::bulk::Compressor::new(FRAME_LEVEL)?;
    compressor.set_parameter(zstd::zstd_safe::CParameter::ChecksumFlag(true))?;
    sections.put_pieces(Section::Texts, |write| {
        let mut position = 0;
        let mut frame = Vec::new();
        let mut flush = |frame: &mut Vec<u8>, frames: &mut Vec<FrameRow>| -> io::Result<()> {
            let packed = compressor.compress(frame)?;
            frames.push(FrameRow {
                offset: position,
                length: packed.len() as u32,
                unpacked: frame.len() as u32,
            });
            position += packed.len() as u64;
            frame.clear();
            write(&packed)
        };
        for (advisory, row) in records {
            let start = frame.len();
            spool.read(advisory.text, &mut frame)?;
            debug_assert!(frame.len() <= MAX_FRAME, "texts are bounded when they are collected");
            row.frame = frames.len() as u32;
            row.offset = start as u32;
            row.length = (frame.len() - start) as u32;
            if frame.len() >= FRAME_TARGET {
                flush(&mut frame, &mut frames)?;
            }
        }
        if !frame.is_empty() {
            flush(&mut frame, &mut frames)?;
        }
        Ok(())
    })?;
    Ok(frames)
}

/// Exploitation data of the CVEs that some stored record bears; nobody asks for the others.
struct Exploitation<'a> {
    epss: BTreeMap<&'a str, Epss>,
    kev: BTreeMap<&'a str, &'a kev::Entry>,
}

impl<'a> Exploitation<'a> {
    fn of(content: &Content<'a>, stored: &[&'a Advisory]) -> Self {
        let mut exploitation = Self { epss: BTreeMap::new(), kev: BTreeMap::new() };
        for advisory in stored {
            let resolved = &content.resolved[advisory.id.as_str()];
            let names = [advisory.id.as_str(), resolved.canonical.as_str()];
            let lists = advisory.aliases.iter().chain(&advisory.named).map(String::as_str);
            for name in names.into_iter().chain(lists) {
                if let Some((cve, epss)) = content.collected.epss.get_key_value(name) {
                    exploitation.epss.insert(cve, *epss);
                }
                if let Some((cve, entry)) = content.collected.kev.get_key_value(name) {
                    exploitation.kev.insert(cve, entry);
                }
            }
        }
        exploitation
    }
}

/// Every text, each once, in byte order.
struct Strings<'a> {
    sorted: Vec<&'a str>,
    numbers: HashMap<&'a str, u32>,
}

impl<'a> Strings<'a> {
    fn of(
        content: &Content<'a>,
        stored: &[&'a Advisory],
        exploitation: &Exploitation<'a>,
    ) -> Result<Self, Error> {
        let mut texts: Vec<&str> = Vec::new();
        for advisory in stored {
            let resolved = &content.resolved[advisory.id.as_str()];
            texts.extend([advisory.id.as_str(), &resolved.canonical]);
            texts.extend(advisory.aliases.iter().map(String::as_str));
            texts.extend(resolved.cvss.iter().map(|cvss| cvss.vector.as_str()));
            texts.extend(advisory.streams.iter().chain(&advisory.weakness).map(String::as_str));
            for affected in &advisory.affected {
                texts.extend([affected.ecosystem.as_str(), &affected.name]);
                texts.extend(affected.ranges.iter().flatten().map(|(_, version)| version.as_str()));
                texts.extend(affected.versions.iter().chain(&affected.linked).map(String::as_str));
                texts.extend(note_of(affected));
            }
        }
        texts.extend(exploitation.epss.keys());
        for (cve, entry) in &exploitation.kev {
            texts.extend([*cve, &entry.added, &entry.due]);
        }
        texts.sort_unstable();
        texts.dedup();
        let bytes: usize = texts.iter().map(|text| text.len()).sum();
        row_number(bytes, "bytes of text")?;
        row_number(texts.len(), "texts")?;
        let numbers = texts.iter().enumerate().map(|(number, text)| (*text, number as u32)).collect();
        Ok(Self { sorted: texts, numbers })
    }

    fn number(&self, text: &str) -> u32 {
        self.numbers.get(text).copied().expect("every text of the content was collected")
    }
}

/// Hashes what is known of one package, in terms of content only, so that it is the same in every database
/// that knows the same.
#[derive(Default)]
struct Fingerprint(Sha256);

impl Fingerprint {
    fn text(&mut self, text: &str) {
        self.0.update((text.len() as u64).to_le_bytes());
        self.0.update(text);
    }

    fn texts(&mut self, texts: &[String]) {
        self.0.update((texts.len() as u64).to_le_bytes());
        texts.iter().for_each(|text| self.text(text));
    }

    fn add(
        &mut self,
        advisory: &Advisory,
        affected: &Affected,
        resolved: &Resolved,
        exploitation: &Exploitation<'_>,
    ) {
        self.text(&advisory.id);
        self.text(&resolved.canonical);
        self.texts(&advisory.aliases);
        self.text(&advisory.summary);
        self.rating(resolved);
        self.0.update([affected.severity.to_byte(), affected.status.to_byte()]);
        self.text(&affected.note);
        self.texts(&advisory.streams);
        self.text(advisory.weakness.as_deref().unwrap_or_default());
        for time in [advisory.published, advisory.modified] {
            self.0.update(time.map_or(NO_TIME, Timestamp::as_microsecond).to_le_bytes());
        }
        for range in &affected.ranges {
            self.0.update((range.len() as u64).to_le_bytes());
            for (kind, version) in range {
                self.0.update([kind.to_byte()]);
                self.text(version);
            }
        }
        self.texts(&affected.versions);
        self.texts(&affected.linked);
        let names = std::iter::once(&resolved.canonical).chain(&advisory.aliases).chain(&affected.linked);
        for entry in names.filter_map(|name| exploitation.kev.get(name.as_str())) {
            for text in [&entry.cve, &entry.added, &entry.due, &entry.ransomware] {
                self.text(text);
            }
        }
    }

    fn rating(&mut self, resolved: &Resolved) {
        self.0.update([resolved.severity.to_byte(), resolved.severity_source.to_byte()]);
        self.text(resolved.cvss.as_ref().map_or("", |cvss| &cvss.vector));
    }

    fn finish(self) -> [u8; 16] {
        self.0.finalize().first_chunk().copied().unwrap_or_default()
    }
}

/// A row number, unless there are too many rows for this format.
fn row_number(number: usize, what: &'static str) -> Result<u32, Error> {
    u32::try_from(number)
        .ok()
        .filter(|number| *number != NONE)
        .ok_or(Error::TooLarge { what, limit: u64::from(NONE) })
}
