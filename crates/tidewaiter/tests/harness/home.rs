//! A home directory with an advisory database and an image in it.

use std::path::{Path, PathBuf};

use tidewaiter_oci::content::{Content, Push as _, Tag as _};
use tidewaiter_oci::layout::Layout;

use super::{succeed, write_advisories};

/// A home with an advisory database, and the demo's Debian image as a layout in it.
pub(crate) struct Home {
    directory: tempfile::TempDir,
}

impl Home {
    pub(crate) async fn new() -> Self {
        let home = Self { directory: tempfile::tempdir().expect("temporary directory") };
        let records = tempfile::tempdir().expect("temporary directory");
        write_advisories(records.path());
        succeed(home.path(), &["db", "build", "--from", records.path().to_str().expect("UTF-8")]);
        let layout = Layout::create(home.layout()).await.expect("created");
        let images = tidewaiter_demo::images().expect("made in memory");
        for image in images.iter().filter(|image| image.repository == "demo/debian") {
            for blob in &image.blobs {
                layout.push(&blob.descriptor, Content::Bytes(blob.bytes.clone())).await.expect("stored");
            }
            layout.push_tagged(&image.manifest, image.tag).await.expect("tagged");
        }
        home
    }

    pub(crate) fn path(&self) -> &Path {
        self.directory.path()
    }

    pub(crate) fn layout(&self) -> PathBuf {
        self.path().join("layout")
    }

    pub(crate) fn image(&self) -> String {
        format!("oci-dir://{}", self.layout().display())
    }
}
