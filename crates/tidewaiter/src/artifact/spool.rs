//! Content that can be read only once, kept in a temporary file: its digest has to be known before it is sent.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use tempfile::NamedTempFile;

use crate::artifact::failure::{self, Failure, Outcome};
use crate::environment;

/// Standard input.
pub(crate) async fn stdin() -> Outcome<NamedTempFile> {
    let failed = |error| Failure::new(format!("failed to read standard input: {error}"));
    spool(|| Ok(std::io::stdin())).await.map_err(failed)
}

/// A pipe or a device.
pub(crate) async fn file(path: &Path) -> Outcome<NamedTempFile> {
    let opened = path.to_owned();
    spool(move || File::open(opened)).await.map_err(failure::file("read", path))
}

/// The reading thread cannot be stopped while nothing comes. The temporary file is therefore kept here, where it
/// goes when nobody waits any more.
async fn spool<R: Read>(
    open: impl FnOnce() -> std::io::Result<R> + Send + 'static,
) -> std::io::Result<NamedTempFile> {
    let file = NamedTempFile::new_in(environment::temporary_directory())?;
    let mut writer = file.as_file().try_clone()?;
    tokio::task::spawn_blocking(move || std::io::copy(&mut open()?, &mut writer)).await??;
    Ok(file)
}
