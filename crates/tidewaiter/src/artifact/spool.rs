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

async fn spool<R: Read>(
    open: impl FnOnce() -> std::io::Result<R> + Send + 'static,
) -> std::io::Result<NamedTempFile> {
    let spool = move || {
        let mut file = NamedTempFile::new_in(environment::temporary_directory())?;
        std::io::copy(&mut open()?, &mut file)?;
        Ok(file)
    };
    tokio::task::spawn_blocking(spool).await?
}
