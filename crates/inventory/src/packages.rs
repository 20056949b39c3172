//! The rooms that know package databases and other proofs of a package, one file each, and the table that
//! registers them.
//!
//! A room says which files it wants to see, by their path or by their first bytes, and reads such a file into
//! [`Content`]. Adding an ecosystem means adding a file here and a line to [`ROOMS`].

mod apk;
mod chisel;
mod composer;
pub(crate) mod copyright;
mod dotnet;
mod dpkg;
mod embedded;
mod executable;
mod gem;
mod java;
mod lock;
mod npm;
mod python;
mod rpm;

pub(crate) use self::rpm::source as source_of_rpm;
use crate::fragment::{Content, Kept};
use crate::model::{Component, Distro, Problem};
use crate::os_release;
use crate::path;
use crate::problems::Problems;

/// One source of packages.
pub(crate) struct Room {
    /// What it is called in stored fragments.
    pub(crate) name: &'static str,
    /// The directories its database is in when it is the image's own; the same files elsewhere belong to some
    /// nested root. Empty for ecosystems that keep a file per package, anywhere.
    pub(crate) homes: &'static [&'static str],
    /// Where its files mean something.
    pub(crate) origin: Origin,
    /// Whether a file is worth reading, from its directory and its name.
    pub(crate) claims: fn(directory: &str, name: &str) -> bool,
    /// Whether a file is worth reading, from its first bytes (512 of them, or all when there are fewer). Asked
    /// only when no path claims it.
    pub(crate) recognises: Option<fn(head: &[u8]) -> bool>,
    /// Whether a file is worth reading although its name says nothing, because another name may follow as a
    /// hard link: package managers link files out of stores that are ordered by content.
    pub(crate) may_be_linked: fn(directory: &str, name: &str) -> bool,
    /// What a claimed file says; `None` when that is nothing.
    pub(crate) parse: fn(path: &str, bytes: &[u8], problems: &mut Problems) -> Option<Content>,
    /// Reads a file piece by piece that is too large to be held.
    pub(crate) stream: Option<OpenSink>,
    /// The largest file that is held all the same, in bytes, where that is less than the limit for all.
    pub(crate) held: u64,
}

/// Where the files of a room mean something.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Origin {
    /// In the layers of an image and in directories.
    Image,
    /// Only in directories that somebody points at: lock files say what is to be, not what is.
    Directory,
}

/// Makes the sink for a file of that path and size in bytes.
pub(crate) type OpenSink = fn(path: &str, size: u64) -> Box<dyn Sink>;

/// Takes in a file piece by piece, in memory that does not grow with it.
pub(crate) trait Sink {
    /// The next bytes of the file, as many as there happen to be.
    fn take(&mut self, bytes: &[u8]);

    /// What the file says; `None` when that is nothing.
    fn finish(self: Box<Self>, path: &str, problems: &mut Problems) -> Option<Content>;
}

impl Room {
    /// Whether a file is worked off as it is read and leaves little, however large it is: executables and archives,
    /// of which honest images hold gigabytes. What they cost is bounded by the size of the layer.
    pub(crate) fn leaves_little(&self) -> bool {
        self.recognises.is_some() || self.stream.is_some()
    }

    /// A room that wants nothing, for the rest of a room to be filled in.
    const EMPTY: Self = Self {
        name: "",
        homes: &[],
        origin: Origin::Image,
        claims: |_, _| false,
        recognises: None,
        may_be_linked: |_, _| false,
        parse: |_, _, _| None,
        stream: None,
        held: u64::MAX,
    };
}

/// Every room. The first that claims a path reads it.
pub(crate) const ROOMS: &[&Room] = &[
    &dpkg::ROOM,
    &copyright::ROOM,
    &chisel::ROOM,
    &apk::ROOM,
    &rpm::ROOM,
    &npm::ROOM,
    &python::ROOM,
    &gem::ROOM,
    &composer::ROOM,
    &dotnet::ROOM,
    &java::ROOM,
    &lock::ROOM,
    &embedded::ROOM,
    &executable::ROOM,
];

/// Who wants to read a file.
#[derive(Clone, Copy)]
pub(crate) enum Reader {
    /// A room, because of its name or of its first bytes.
    Room(&'static Room),
    /// A room, in case a hard link gives it a telling name.
    Stored(&'static Room),
    /// It may name the operating system.
    System,
}

/// The room that wants the file at `path`, for its path, in an image.
pub(crate) fn claiming(path: &str) -> Option<&'static Room> {
    claiming_in(Origin::Image, path)
}

fn claiming_in(origin: Origin, path: &str) -> Option<&'static Room> {
    let (directory, name) = path::split(path);
    ROOMS.iter().copied().find(|room| {
        (room.origin == Origin::Image || room.origin == origin) && (room.claims)(directory, name)
    })
}

/// Whether the file at `path` is worth reading for its path.
pub(crate) fn is_interesting(path: &str) -> bool {
    claiming(path).is_some() || os_release::claims(path)
}

/// Who wants to read the file at `path` that begins with `head` (no bytes when nothing is known of it).
pub(crate) fn reader(origin: Origin, path: &str, head: &[u8]) -> Option<Reader> {
    let (directory, name) = path::split(path);
    let recognising =
        || ROOMS.iter().copied().find(|room| room.recognises.is_some_and(|recognises| recognises(head)));
    let storing = || ROOMS.iter().copied().find(|room| (room.may_be_linked)(directory, name));
    let system = || os_release::claims(path).then_some(Reader::System);
    let claimed = claiming_in(origin, path).map(Reader::Room).or_else(system);
    claimed.or_else(|| recognising().map(Reader::Room)).or_else(|| storing().map(Reader::Stored))
}

/// Whether owning the file at `path` matters: it may be the evidence for a package that lives in a file of its
/// own.
pub(crate) fn is_evidence(path: &str) -> bool {
    claiming(path).is_some_and(|room| room.homes.is_empty()) || executable::is_plausible(path)
}

/// The room whose content this is at `path`. A hard link can give content a name it was not read for; then it is
/// nobody's.
pub(crate) fn describing(path: &str, kept: &Kept) -> Option<&'static Room> {
    let room = ROOMS.iter().copied().find(|room| room.name == kept.room)?;
    let (directory, name) = path::split(path);
    // Files that are known by their bytes may have any name that nobody else claims.
    let fits = (room.claims)(directory, name) || room.recognises.is_some() && claiming(path).is_none();
    fits.then_some(room)
}

/// What a wanted file says.
pub(crate) fn parse(reader: Reader, path: &str, bytes: &[u8], problems: &mut Problems) -> Option<Kept> {
    let content = match reader {
        Reader::Room(room) => (room.parse)(path, bytes, problems)?,
        // Most of what lies in a store is none of our business, so nothing in it is a problem.
        Reader::Stored(room) => (room.parse)(path, bytes, &mut Problems::new(0))?,
        Reader::System => os_release::keep(bytes),
    };
    Some(kept(reader, content))
}

/// Content with the name of who read it.
pub(crate) fn kept(reader: Reader, content: Content) -> Kept {
    let room = match reader {
        Reader::Room(room) | Reader::Stored(room) => room.name,
        Reader::System => "",
    };
    Kept { room: room.to_owned(), content }
}

/// What a single file says on its own: the packages it describes, without evidence, and what is wrong with it.
///
/// `path` is where the file would be in an image, relative to its root, and decides how it is read, together with
/// its first bytes; a file that nobody asks for gives nothing. `distro` goes into package URLs.
#[must_use]
pub fn inspect(path: &str, bytes: &[u8], distro: Option<&Distro>) -> (Vec<Component>, Vec<Problem>) {
    let mut problems = Problems::new(usize::MAX);
    let mut components = Vec::new();
    let head = bytes.get(..HEAD).unwrap_or(bytes);
    if let Some(reader @ Reader::Room(_)) = reader(Origin::Directory, path, head)
        && let Some(kept) = parse(reader, path, bytes, &mut problems)
    {
        components.extend(kept.content.packages().iter().map(|package| package.component(distro)));
    }
    (components, problems.finish(None))
}

/// First bytes of a file that are enough to recognise it.
pub(crate) const HEAD: usize = 512;

/// The lines of a text file with their numbers from 1, without line ends.
pub(crate) fn lines(bytes: &[u8]) -> impl Iterator<Item = (usize, &[u8])> {
    bytes
        .split(|&byte| byte == b'\n')
        .map(|line| line.strip_suffix(b"\r").unwrap_or(line))
        .enumerate()
        .map(|(index, line)| (index + 1, line))
}

/// A field value as text, without white space around it.
pub(crate) fn text(value: &[u8]) -> String {
    String::from_utf8_lossy(value.trim_ascii()).into_owned()
}

/// A JSON value that is a text or a list of texts; what is neither is left out.
pub(crate) fn texts(value: &serde_json::Value) -> Vec<String> {
    let one = std::slice::from_ref(value);
    let all = value.as_array().map_or(one, Vec::as_slice).iter();
    all.filter_map(|text| text.as_str().filter(|text| !text.is_empty()).map(str::to_owned)).collect()
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// Reads one file and compares what it says, a line per component and then a line per problem:
    /// `purl source=name version arch licences` and `line: reason`.
    #[track_caller]
    pub(crate) fn check(path: &str, content: &str, expect: &[&str]) {
        let (components, problems) = inspect(path, content.as_bytes(), None);
        let components = components.iter().map(|component| {
            let source =
                component.source.iter().map(|source| format!("source={} {}", source.name, source.version));
            let parts =
                [component.purl.clone()].into_iter().chain(source).chain(component.licenses.iter().cloned());
            parts.collect::<Vec<_>>().join(" ")
        });
        let problems = problems
            .iter()
            .map(|problem| format!("{}: {}", problem.position.as_deref().unwrap_or("file"), problem.reason));
        assert_eq!(components.chain(problems).collect::<Vec<_>>(), expect);
    }

    #[test]
    fn rooms_have_names_of_their_own() {
        let names: std::collections::BTreeSet<_> = ROOMS.iter().map(|room| room.name).collect();
        assert_eq!(names.len(), ROOMS.len());
        assert!(!names.contains(""), "that is the operating system");
    }
}
