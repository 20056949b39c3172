//! Tar headers byte for byte as Go's `archive/tar` writes them: USTAR where it can say everything, else PAX.
//!
//! ORAS records the digest of a directory's uncompressed tar in the manifest. With other bytes here, the same
//! directory would have another digest than ORAS gives it.

const BLOCK: usize = 512;
const NAME: usize = 100;
const PREFIX: usize = 155;

/// The two empty blocks that end an archive.
pub(super) const END: [u8; 2 * BLOCK] = [0; 2 * BLOCK];

/// What an entry is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum Kind {
    File = b'0',
    Symlink = b'2',
    Directory = b'5',
}

/// What a header says. Owners are always 0 and have no names.
#[derive(Debug, Clone)]
pub(super) struct Header<'a> {
    pub(super) name: &'a [u8],
    /// Target of a symbolic link, else empty.
    pub(super) link: &'a [u8],
    pub(super) kind: Kind,
    /// Permission, set-user-id, set-group-id and sticky bits.
    pub(super) mode: u32,
    /// Bytes of content that follow.
    pub(super) size: u64,
    /// Seconds since 1970.
    pub(super) mtime: i64,
}

/// The number of zero bytes after content of this size.
pub(super) fn padding(size: u64) -> usize {
    (size.wrapping_neg() % BLOCK as u64) as usize
}

impl Header<'_> {
    /// The header block, and what has to come before it.
    pub(super) fn to_bytes(&self) -> Vec<u8> {
        // Sorted by key, as Go writes them.
        let mut records = Vec::new();
        if self.link.len() > NAME || !is_ascii(self.link) {
            push_record(&mut records, "linkpath", self.link);
        }
        if octal(self.mtime, 12).is_none() {
            push_record(&mut records, "mtime", self.mtime.to_string().as_bytes());
        }
        let split = split_name(self.name);
        if (self.name.len() > NAME || !is_ascii(self.name)) && split.is_none() {
            push_record(&mut records, "path", self.name);
        }
        if i64::try_from(self.size).ok().and_then(|size| octal(size, 12)).is_none() {
            push_record(&mut records, "size", self.size.to_string().as_bytes());
        }
        if records.is_empty() {
            let (prefix, name) = split.unwrap_or((b"", self.name));
            return self.block(prefix, name, self.link).to_vec();
        }
        let mut bytes = pax_block(self.name, records.len()).to_vec();
        bytes.extend_from_slice(&records);
        bytes.resize(bytes.len() + padding(records.len() as u64), 0);
        bytes.extend_from_slice(&self.block(b"", &only_ascii(self.name), &only_ascii(self.link)));
        bytes
    }

    fn block(&self, prefix: &[u8], name: &[u8], link: &[u8]) -> [u8; BLOCK] {
        let mut block = [0; BLOCK];
        put_text(&mut block[0..100], name);
        put_number(&mut block[100..108], i64::from(self.mode));
        put_number(&mut block[108..116], 0);
        put_number(&mut block[116..124], 0);
        put_number(&mut block[124..136], i64::try_from(self.size).unwrap_or(i64::MAX));
        put_number(&mut block[136..148], self.mtime);
        block[156] = self.kind as u8;
        put_text(&mut block[157..257], link);
        put_number(&mut block[329..337], 0);
        put_number(&mut block[337..345], 0);
        put_text(&mut block[345..500], prefix);
        seal(&mut block);
        block
    }
}

/// The header of the extended header of `name`.
fn pax_block(name: &[u8], length: usize) -> [u8; BLOCK] {
    let file = name.iter().rposition(|&byte| byte == b'/').map_or(0, |slash| slash + 1);
    let mut pax_name = only_ascii(&[&name[..file], b"PaxHeaders.0/", &name[file..]].concat());
    pax_name.truncate(NAME);
    while pax_name.ends_with(b"/") {
        pax_name.pop();
    }
    let mut block = [0; BLOCK];
    put_text(&mut block[0..100], &pax_name);
    for field in [100..108, 108..116, 116..124, 136..148] {
        put_number(&mut block[field], 0);
    }
    put_number(&mut block[124..136], i64::try_from(length).unwrap_or(i64::MAX));
    block[156] = b'x';
    seal(&mut block);
    block
}

/// Writes magic, version and checksum.
fn seal(block: &mut [u8; BLOCK]) {
    block[257..265].copy_from_slice(b"ustar\x0000");
    block[148..156].fill(b' ');
    let sum: u32 = block.iter().map(|&byte| u32::from(byte)).sum();
    put_number(&mut block[148..155], i64::from(sum));
}

/// `length key=value\n`, where the length counts itself.
fn push_record(records: &mut Vec<u8>, key: &str, value: &[u8]) {
    let rest = key.len() + value.len() + " =\n".len();
    let mut length = rest + rest.to_string().len();
    if rest + length.to_string().len() != length {
        length = rest + length.to_string().len();
    }
    records.extend_from_slice(format!("{length} {key}=").as_bytes());
    records.extend_from_slice(value);
    records.push(b'\n');
}

fn is_ascii(text: &[u8]) -> bool {
    text.iter().all(|&byte| byte < 0x80 && byte != 0)
}

fn only_ascii(text: &[u8]) -> Vec<u8> {
    text.iter().copied().filter(|&byte| byte < 0x80 && byte != 0).collect()
}

/// Divides a name that is too long for its field at a slash, if the parts fit into prefix and name.
fn split_name(name: &[u8]) -> Option<(&[u8], &[u8])> {
    if name.len() <= NAME || !is_ascii(name) {
        return None;
    }
    let end = match name.len() {
        length if length > PREFIX + 1 => PREFIX + 1,
        length if name.ends_with(b"/") => length - 1,
        length => length,
    };
    let slash = name[..end].iter().rposition(|&byte| byte == b'/').filter(|&slash| slash > 0)?;
    let (prefix, rest) = (&name[..slash], &name[slash + 1..]);
    (!rest.is_empty() && rest.len() <= NAME && prefix.len() <= PREFIX).then_some((prefix, rest))
}

fn put_text(field: &mut [u8], text: &[u8]) {
    let length = text.len().min(field.len());
    field[..length].copy_from_slice(&text[..length]);
    // Cut off behind a slash, a name would read as a directory's.
    if text.len() > field.len() && field.ends_with(b"/") {
        let end = field.iter().rposition(|&byte| byte != b'/').map_or(0, |last| last + 1);
        field[end] = 0;
    }
}

/// A number in octal digits that fills a field of `length` up to its last byte; nothing when it does not fit.
fn octal(number: i64, length: usize) -> Option<String> {
    let digits = length - 1;
    (number >= 0 && number < 1_i64.checked_shl(3 * digits as u32)?).then(|| format!("{number:0digits$o}"))
}

/// What does not fit is written as 0; then an extended header has the number.
fn put_number(field: &mut [u8], number: i64) {
    let text = octal(number, field.len()).or_else(|| octal(0, field.len())).unwrap_or_default();
    field[..text.len()].copy_from_slice(text.as_bytes());
    field[text.len()] = 0;
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::digest::Digest;

    fn header<'a>(name: &'a [u8], link: &'a [u8]) -> Header<'a> {
        let kind = if link.is_empty() { Kind::File } else { Kind::Symlink };
        Header { name, link, kind, mode: 0o644, size: 0, mtime: 1_600_000_000 }
    }

    /// The digests are of what Go 1.19's archive/tar writes for the same headers.
    #[test]
    fn headers_are_those_of_go() {
        let check = |header: &Header<'_>, blocks: usize, expected: &str| {
            let bytes = header.to_bytes();
            let digest = Digest::sha256(&bytes);
            assert_eq!((bytes.len() / BLOCK, digest.short()), (blocks, expected), "{header:?}");
        };
        let file = |name: &[u8], blocks, expected| check(&header(name, b""), blocks, expected);
        let link = |name: &[u8], link: &[u8], blocks, expected| check(&header(name, link), blocks, expected);
        let path =
            |directory: usize, file: usize| [&b"d".repeat(directory)[..], b"/", &b"f".repeat(file)].concat();
        file(b"dir/file", 1, "610f964dda30");
        file(&b"a".repeat(100), 1, "948bf9de8224");
        file(&b"a".repeat(101), 3, "67f776a9f054");
        file(&path(90, 90), 1, "72b2ba2de62a");
        file(&path(155, 100), 1, "73ef6863eb4f");
        file(&path(156, 100), 3, "332d847badc2");
        file(&path(99, 200), 3, "35eff7b3eb38");
        file(&[&b"dir/".repeat(80)[..], b"f"].concat(), 3, "e63a9425e65d");
        file("dir/größe".as_bytes(), 3, "103cc426d6f4");
        file(b"dir/gr\xf6\xdfe", 3, "404567d76721");
        file(&["é".repeat(40).as_bytes(), b"x"].concat(), 3, "ba04071fc8b3");
        link(b"l", b"target", 1, "d36775d32a79");
        link(b"l", &[&b"t/".repeat(60)[..], b"x"].concat(), 3, "83092fca4718");
        link(b"l", "größe".as_bytes(), 3, "8e5c1e2b7b5a");
        link("größe".as_bytes(), "ü".as_bytes(), 3, "239f01bd2d80");
        check(&Header { mtime: -5, ..header(b"old", b"") }, 3, "573800035bc8");
        check(&Header { mtime: 1 << 33, ..header(b"far", b"") }, 3, "8df0d06941ff");
        check(&Header { size: 1 << 33, ..header(b"big", b"") }, 3, "55d26357447c");
        check(&Header { mode: 0o6755, ..header(b"exec", b"") }, 1, "71bed6a81367");
    }
}
