//! The budget for reading one layer: what an image may cost us, whatever it contains.

/// How much of one layer may be looked at and kept. Over a limit the rest is skipped and named in a
/// [`Problem`](crate::Problem); only [`uncompressed_bytes`](Self::uncompressed_bytes) ends the reading.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// Largest single file that is captured for parsing, in bytes. Default 32 MiB: the package database of a
    /// Debian workstation with 4,000 packages is about 5 MiB.
    pub file_bytes: u64,
    /// All captured files of a layer together, in bytes, but for executables and archives, which leave little. Default
    /// 256 MiB. They are parsed one after the other, so this bounds work and results, not a buffer.
    pub captured_bytes: u64,
    /// Packages kept per layer. Default 200,000.
    pub packages: usize,
    /// Size of the table of names (paths and link targets) of a layer, in bytes as stored. Default 64 MiB,
    /// enough for about three million files.
    pub name_bytes: usize,
    /// Problems kept per layer; the rest is only counted. Default 1,000.
    pub problems: usize,
    /// Size of the uncompressed tar at which reading ends with [`ReadError::TooLarge`](crate::ReadError), in
    /// bytes. Default 64 GiB: about two minutes of inflating.
    pub uncompressed_bytes: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            file_bytes: 32 << 20,
            captured_bytes: 256 << 20,
            packages: 200_000,
            name_bytes: 64 << 20,
            problems: 1_000,
            uncompressed_bytes: 64 << 30,
        }
    }
}
