//! One header block of a tar: its fields, read as Go's `archive/tar` reads them.
//!
//! Every common container runtime unpacks layers with that reader, so what it sees is what will run. The
//! layouts are POSIX `ustar`, GNU (the same magic with a space), star and the one before magics.

use std::ops::Range;

use super::tape::BLOCK;

/// A header block with a valid checksum.
pub(crate) struct Header<'a>(&'a [u8; BLOCK]);

/// How a block is laid out beyond the fields all layouts share.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Layout {
    V7,
    Ustar,
    Star,
    Gnu,
}

/// The fields that are numbers, with their names.
const NUMBERS: [(&str, Range<usize>); 7] = [
    ("mode", 100..108),
    ("user", 108..116),
    ("group", 116..124),
    ("size", 124..136),
    ("time", 136..148),
    ("device", 329..337),
    ("device", 337..345),
];

/// Why a block is not a header.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum BadHeader {
    Checksum,
    /// The field of this name is not a number that fits.
    Number(&'static str),
}

impl std::fmt::Display for BadHeader {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Checksum => formatter.write_str("the checksum of the header is wrong"),
            Self::Number(field) => write!(formatter, "the {field} in the header is not a number"),
        }
    }
}

impl<'a> Header<'a> {
    /// Checks the block and its numbers.
    pub(crate) fn new(block: &'a [u8; BLOCK]) -> Result<Self, BadHeader> {
        let header = Self(block);
        let stated = octal(&block[148..156]).ok_or(BadHeader::Checksum)?;
        if stated != header.checksum(u64::from) && stated != header.checksum(|byte| byte as i8 as u64) {
            return Err(BadHeader::Checksum);
        }
        // Before magics there were no device numbers.
        let fields = if header.layout() == Layout::V7 { &NUMBERS[..5] } else { &NUMBERS[..] };
        for (name, range) in fields {
            number(&block[range.clone()]).ok_or(BadHeader::Number(name))?;
        }
        Ok(header)
    }

    /// Whether every reader understands the numbers: not those after a NUL, in base 256 only what GNU tar itself
    /// writes, and none that is nonsense, whether the layout has it or not.
    pub(crate) fn has_common_numbers(&self) -> bool {
        NUMBERS.iter().map(|(_, range)| &self.0[range.clone()]).all(|field| match field[0] {
            0 => field.iter().all(|byte| matches!(byte, b' ' | 0)),
            0x80 | 0xff => true,
            first => first & 0x80 == 0 && number(field).is_some(),
        })
    }

    /// The sum of all bytes with the checksum field as spaces. Some old writers added signed bytes.
    fn checksum(&self, value: impl Fn(u8) -> u64) -> u64 {
        let sum = |bytes: &[u8]| bytes.iter().fold(0_u64, |sum, &byte| sum.wrapping_add(value(byte)));
        sum(&self.0[..148]).wrapping_add(sum(&self.0[156..])).wrapping_add(8 * u64::from(b' '))
    }

    fn layout(&self) -> Layout {
        match (&self.0[257..263], &self.0[263..265]) {
            (b"ustar\0", _) if &self.0[508..512] == b"tar\0" => Layout::Star,
            (b"ustar\0", _) => Layout::Ustar,
            (b"ustar ", b" \0") => Layout::Gnu,
            _ => Layout::V7,
        }
    }

    pub(crate) fn type_flag(&self) -> u8 {
        self.0[156]
    }

    /// Bytes of data that the header announces.
    pub(crate) fn size(&self) -> Result<u64, BadHeader> {
        number(&self.0[124..136]).and_then(|size| u64::try_from(size).ok()).ok_or(BadHeader::Number("size"))
    }

    /// The name without its prefix.
    pub(crate) fn plain_name(&self) -> &'a [u8] {
        until_nul(&self.0[..100])
    }

    /// Appends the name, with its prefix where the layout has one. False when other readers see another name.
    pub(crate) fn name_into(&self, into: &mut Vec<u8>) -> bool {
        let field = until_nul(&self.0[345..500]);
        let (prefix, agreed) = match self.layout() {
            Layout::V7 => (&b""[..], field.is_empty()),
            Layout::Ustar => (field, true),
            Layout::Star => {
                let prefix = until_nul(&self.0[345..476]);
                (prefix, prefix == field)
            }
            Layout::Gnu => self.gnu_prefix(field),
        };
        if !prefix.is_empty() {
            into.extend_from_slice(prefix);
            into.push(b'/');
        }
        into.extend_from_slice(self.plain_name());
        agreed
    }

    /// The GNU layout has two times where others have the prefix. Go once wrote a prefix there all the same,
    /// and still reads it when the times make no sense.
    fn gnu_prefix(&self, field: &'a [u8]) -> (&'a [u8], bool) {
        let is_time = |time: &[u8]| time[0] == 0 || number(time).is_some();
        if is_time(&self.0[345..357]) && is_time(&self.0[357..369]) {
            return (b"", true);
        }
        if field.is_ascii() { (field, false) } else { (b"", false) }
    }

    pub(crate) fn link(&self) -> &'a [u8] {
        until_nul(&self.0[157..257])
    }

    /// Whether blocks with more of an old GNU sparse map follow; `None` when the layout has no such map.
    pub(crate) fn has_more_sparse_map(&self) -> Option<bool> {
        (self.layout() == Layout::Gnu).then_some(self.0[482] != 0)
    }
}

/// Whether one more block of an old GNU sparse map follows this one.
pub(crate) fn sparse_map_continues(block: &[u8; BLOCK]) -> bool {
    block[504] != 0
}

/// The bytes before the first NUL.
pub(crate) fn until_nul(field: &[u8]) -> &[u8] {
    field.split(|&byte| byte == 0).next().unwrap_or_default()
}

/// A number in octal digits, or in base 256 when the first bit is set. `None` when it is neither or too big.
fn number(field: &[u8]) -> Option<i64> {
    let (&first, rest) = field.split_first()?;
    if first & 0x80 == 0 {
        return octal(field).map(|value| value as i64);
    }
    // Two's complement over the whole field, less the marker bit.
    let flip = if first & 0x40 == 0 { 0 } else { 0xff };
    let mut value = u64::from((first ^ flip) & 0x7f);
    for byte in rest {
        if value >> 56 > 0 {
            return None;
        }
        value = value << 8 | u64::from(byte ^ flip);
    }
    let value = i64::try_from(value).ok()?;
    Some(if flip == 0 { value } else { !value })
}

/// Octal digits with spaces or NULs around them; nothing at all is zero.
fn octal(field: &[u8]) -> Option<u64> {
    let padding = |byte: &u8| matches!(byte, b' ' | 0);
    let Some(start) = field.iter().position(|byte| !padding(byte)) else { return Some(0) };
    let end = field.iter().rposition(|byte| !padding(byte))?;
    let digits = until_nul(&field[start..=end]);
    digits.iter().try_fold(0_u64, |value, &digit| match digit {
        b'0'..=b'7' => value.checked_mul(8)?.checked_add(u64::from(digit - b'0')),
        _ => None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_octal_or_base_256() {
        assert_eq!(number(b"0000644\0"), Some(0o644));
        assert_eq!(number(b"   644 \0"), Some(0o644));
        assert_eq!(number(b"77777777777777777777777\0"), None);
        assert_eq!(number(&[0; 12]), Some(0));
        assert_eq!(number(b"12\x0034\0"), Some(0o12));
        assert_eq!(number(b"+7\0"), None);
        assert_eq!(number(b"0o7\0"), None);
        assert_eq!(number(&[0x80, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0]), Some(256));
        assert_eq!(number(&[0x80, 1, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0]), None);
        assert_eq!(number(&[0xff; 12]), Some(-1));
    }
}
