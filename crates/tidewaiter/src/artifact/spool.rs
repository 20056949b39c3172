//! Content that can be read only once, kept in a temporary file: its digest has to be known before it is sent.

use std::fs::File;
use std::io::Read;
use std::path::Path;
use std::time::Duration;

use tempfile::NamedTempFile;
use tokio::sync::oneshot;
use tokio::time::timeout;

use crate::artifact::failure::{self, Failure, Outcome};
use crate::environment;
use crate::ui::Ui;

/// How long a pipe without a writer is waited for in silence.
const SILENCE: Duration = Duration::from_secs(1);

/// Standard input.
pub(crate) async fn stdin() -> Outcome<NamedTempFile> {
    let failed = |error| Failure::new(format!("failed to read standard input: {error}"));
    spool(|| Ok(std::io::stdin())).await.map_err(failed)
}

/// A pipe or a device. A pipe cannot be opened before somebody opens it for writing; when nobody does so for a
/// while, that is said.
pub(crate) async fn file(ui: Ui, path: &Path) -> Outcome<NamedTempFile> {
    let named = path.to_owned();
    let (opened, is_open) = oneshot::channel();
    let open = move || {
        let file = File::open(named);
        // Nobody listens any more when it was said already.
        let _ = opened.send(());
        file
    };
    let waiting = async {
        if timeout(SILENCE, is_open).await.is_err() {
            ui.note(format_args!("Waiting for somebody to write to {}", path.display()));
        }
    };
    let (spooled, ()) = tokio::join!(spool(open), waiting);
    spooled.map_err(failure::file("read", path))
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
