//! The demo: its advisories compiled into the data directory, its images pushed like any client's.

use std::fs;

use anyhow::{Context as _, Result};
use tidewaiter_advisory::{BuildOptions, build};
use tidewaiter_demo::DemoImage;
use tidewaiter_oci::Reference;
use tidewaiter_oci::content::{Content, Push as _, Tag as _};

use crate::client::{self, Transport};
use crate::commands::db::FILE;
use crate::environment;
use crate::serve::DataDirectory;

/// Compiles the demo's advisories, unless the directory has a database already.
pub(crate) fn build_advisories(directory: &DataDirectory) -> Result<()> {
    let output = directory.join(FILE);
    if output.exists() {
        return Ok(());
    }
    let records = directory.join("demo-advisories");
    fs::create_dir_all(&records).with_context(|| format!("{} cannot be made", records.display()))?;
    for (name, content) in tidewaiter_demo::advisories() {
        let path = records.join(name);
        fs::write(&path, content).with_context(|| format!("{} cannot be written", path.display()))?;
    }
    build(&[records], &output, &BuildOptions { built_at: environment::timestamp() })?;
    Ok(())
}

/// Pushes the demo's images to the registry at `address`. A failure is told in the log: the platform runs on.
pub(crate) async fn push(address: String) {
    let pushed = async {
        for image in tidewaiter_demo::images()? {
            push_image(&address, &image).await?;
        }
        anyhow::Ok(())
    };
    if let Err(error) = pushed.await {
        tracing::error!("the demo's images could not be pushed: {error:#}");
    }
}

async fn push_image(address: &str, image: &DemoImage) -> Result<()> {
    let client = client::new(Transport { plain_http: true, insecure: false }, None)?;
    let reference = Reference::parse(&format!("{address}/{}:{}", image.repository, image.tag))?;
    let repository = client.repository(&reference)?;
    for blob in &image.blobs {
        repository.push(&blob.descriptor, Content::Bytes(blob.bytes.clone())).await?;
    }
    repository.push_tagged(&image.manifest, image.tag).await?;
    Ok(())
}
