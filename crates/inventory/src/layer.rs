//! Reading one layer: the stored bytes stream by once and leave a [`Fragment`].
//!
//! stored bytes → gzip or zstd → uncompressed tar (hashed for the `diff_id`) → members → the few files that
//! say which packages are there. Nothing is written to disk, and no more is held than [`Limits`] allows.

mod hasher;
mod header;
mod stored;
mod tape;
mod walk;

use std::io::Read;

use crate::error::ReadError;
use crate::fragment::{Builder, Entry, Fragment, Interest};
use crate::limits::Limits;
use crate::packages::Origin;
use crate::path::{self, BadPath};
use tape::Tape;
use walk::{Kind, Member, Walk};

/// What a manifest says about a layer.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LayerSource {
    /// Digest of the layer as stored, `algorithm:hex`. It names the layer in errors; whether the bytes have
    /// this digest is for the reader to check that is handed in.
    pub digest: String,
    /// Size of the layer as stored, in bytes.
    pub size: u64,
    /// Media type of the layer. Only a hint: the compression is recognised by the bytes themselves.
    pub media_type: String,
}

/// Reads one layer to its end.
///
/// `reader` gives the bytes as stored; gzip (any number of members), zstd (any number of frames) and plain tar
/// are recognised. It is read until it says that nothing is left, also after the archive has ended, so a reader
/// that checks the digest gets its chance.
///
/// # Errors
/// [`ReadError`] when the reader fails, the archive is damaged, or it unpacks to more than the limit. What is
/// odd inside a sound archive ends up in [`Fragment::problems`].
pub fn read(reader: impl Read, source: &LayerSource, limits: &Limits) -> Result<Fragment, ReadError> {
    let tape = Tape::open(reader, &source.digest, limits.uncompressed_bytes)?;
    let mut walk = Walk::new(tape);
    let mut builder = Builder::new(limits, Origin::Image);
    let mut name = String::new();
    while let Some(member) = walk.next(&mut builder.problems)? {
        let reason = match path::clean(walk.name(), &mut name) {
            _ if matches!(member.kind, Kind::Unknown) => "its type is one that runtimes do not unpack",
            // The root itself: there is nothing to know about it.
            Ok(()) if name.is_empty() => continue,
            Ok(()) => {
                add(&mut walk, member, &name, &mut builder)?;
                continue;
            }
            Err(BadPath::Escapes) => "the name leads out of the image",
            Err(BadPath::TooLong) => "the name is longer than any path can be",
        };
        let mut printable = String::new();
        path::push_printable(walk.name().get(..path::MAX_PATH).unwrap_or(walk.name()), &mut printable);
        builder.problems.byte(Some(&printable), member.offset, format!("{reason}; the entry is skipped"));
    }
    let sizes = walk.finish(&mut builder.problems)?;
    Ok(builder.finish(sizes.diff_id, sizes.stored, sizes.uncompressed))
}

fn add<R: Read>(
    walk: &mut Walk<R>,
    member: Member,
    name: &str,
    builder: &mut Builder<'_>,
) -> Result<(), ReadError> {
    let (directory, base) = path::split(name);
    if let Some(hidden) = base.strip_prefix(".wh.") {
        add_whiteout(member, directory, hidden, name, builder);
        return Ok(());
    }
    match member.kind {
        Kind::Directory => builder.entry(name, Entry::Directory),
        Kind::Symlink => {
            let mut target = String::new();
            path::push_printable(walk.link(), &mut target);
            if target.len() > path::MAX_PATH {
                let reason =
                    "the target of the link is longer than any path can be; the link is not followed";
                builder.problems.byte(Some(name), member.offset, reason);
                builder.entry(name, Entry::File);
            } else {
                builder.entry(name, Entry::Symlink(&target));
            }
        }
        Kind::HardLink => {
            let mut target = String::new();
            match path::clean(walk.link(), &mut target) {
                Ok(()) => builder.entry(name, Entry::HardLink(&target)),
                Err(_) => builder.problems.byte(
                    Some(name),
                    member.offset,
                    "the hard link leads out of the image; the entry is skipped",
                ),
            }
        }
        Kind::File => match builder.interest(name, member.size, walk.head()?) {
            Some(Interest::Whole(reader)) => {
                return builder.file(name, reader, member.size, |into| walk.read_data(into));
            }
            Some(Interest::Stream(reader, sink)) => {
                return builder.streamed(name, reader, sink, |each| walk.stream_data(each));
            }
            None => builder.entry(name, Entry::File),
        },
        Kind::Special => builder.entry(name, Entry::File),
        Kind::SparseFile => {
            if builder.interest(name, member.size, &[]).is_some() {
                builder.problems.file(
                    name,
                    "the file is stored with holes and was not read; what it describes is missing",
                );
            }
            builder.entry(name, Entry::File);
        }
        // Told by the caller.
        Kind::Unknown => {}
    }
    Ok(())
}

/// Takes a marker of the image specification ("Whiteouts") that hides something below.
fn add_whiteout(member: Member, directory: &str, hidden: &str, name: &str, builder: &mut Builder<'_>) {
    match hidden {
        ".wh..opq" => builder.entry(directory, Entry::Opaque),
        // Bookkeeping of the AUFS driver; the image knows nothing of it.
        _ if hidden.starts_with(".wh.") => {}
        "" | "." | ".." => {
            builder.problems.byte(Some(name), member.offset, "the whiteout names nothing; it is skipped");
        }
        _ => builder.entry(&path::join(directory, hidden), Entry::Whiteout),
    }
}
