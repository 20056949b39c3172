//! `manifest …`: manifests and indexes by themselves.

pub(crate) mod delete;
pub(crate) mod fetch;
pub(crate) mod fetch_config;
pub(crate) mod index_create;
pub(crate) mod index_update;
pub(crate) mod push;

use std::path::Path;

use crate::artifact::failure::{self, Outcome};
use crate::ui::Ui;

/// Writes bytes to a file, or to standard output for `-`.
pub(crate) fn write_output(ui: Ui, output: &str, bytes: &[u8]) -> Outcome {
    if output == "-" {
        ui.bytes(bytes);
        return Ok(());
    }
    let path = Path::new(output);
    std::fs::write(path, bytes).map_err(failure::file("write", path))
}

/// JSON for standard output: as it is, or with `--pretty` with another indent and a newline.
pub(crate) fn write_json(ui: Ui, bytes: &[u8], pretty: bool) {
    if pretty {
        ui.bytes(&crate::artifact::display::json::reindented(bytes));
    } else {
        ui.bytes(bytes);
    }
}
