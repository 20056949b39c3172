//! Numbers in foreign bytes, which may end anywhere.

/// In which order the bytes of numbers are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Order {
    Little,
    Big,
}

/// What is said of files that end before what they point at.
pub(super) const SHORT: &str = "it points outside of itself";

impl Order {
    /// A number of four bytes.
    pub(super) fn u32(self, bytes: &[u8], at: usize) -> Result<u32, &'static str> {
        let bytes = slice(bytes, at, 4)?.try_into().map_err(|_| SHORT)?;
        Ok(match self {
            Self::Little => u32::from_le_bytes(bytes),
            Self::Big => u32::from_be_bytes(bytes),
        })
    }

    /// A number of four bytes that counts or points at something in memory.
    pub(super) fn usize(self, bytes: &[u8], at: usize) -> Result<usize, &'static str> {
        usize::try_from(self.u32(bytes, at)?).map_err(|_| SHORT)
    }

    /// A number of two bytes.
    pub(super) fn u16(self, bytes: &[u8], at: usize) -> Result<usize, &'static str> {
        let bytes = slice(bytes, at, 2)?.try_into().map_err(|_| SHORT)?;
        Ok(usize::from(match self {
            Self::Little => u16::from_le_bytes(bytes),
            Self::Big => u16::from_be_bytes(bytes),
        }))
    }
}

/// So many bytes from there.
pub(super) fn slice(bytes: &[u8], at: usize, length: usize) -> Result<&[u8], &'static str> {
    at.checked_add(length).and_then(|end| bytes.get(at..end)).ok_or(SHORT)
}
