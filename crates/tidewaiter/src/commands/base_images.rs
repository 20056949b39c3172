//! `tidewaiter base-images`: the images that others stand on.

use std::path::PathBuf;

use anyhow::{Context as _, Result};
use clap::Subcommand;
use tidewaiter_oci::Reference;
use tidewaiter_platform::base_images;

use crate::ui::Ui;
use crate::{client, environment};

/// Know images that others stand on, by their layers
#[derive(Subcommand)]
pub(crate) enum Command {
    /// Take in images of repositories; what was known of their tags is replaced
    Index(IndexArgs),
    /// List the images that are known
    #[command(visible_alias = "ls")]
    List,
}

/// Arguments of `base-images index`.
#[derive(clap::Args)]
pub(crate) struct IndexArgs {
    /// Repositories, all of whose tags are taken in, or images by their tag; names are as Docker takes them
    #[arg(required = true, value_name = "REPO")]
    repositories: Vec<String>,
    /// Talk to registries without TLS; loopback registries are always talked to without
    #[arg(long)]
    plain_http: bool,
    /// Do not check the registry's certificate
    #[arg(long)]
    insecure: bool,
}

/// Where the catalogue is.
pub(crate) fn path() -> PathBuf {
    environment::data_home().join("base-images.json")
}

/// Runs the command.
pub(crate) async fn run(command: Command, ui: Ui) -> Result<()> {
    let path = path();
    match command {
        Command::Index(args) => {
            let transport = client::Transport { plain_http: args.plain_http, insecure: args.insecure };
            let client = client::new(transport, None)?;
            for typed in &args.repositories {
                let reference =
                    repository(typed).with_context(|| format!("\"{typed}\" names no repository"))?;
                // Read anew each time, so that two programs that take in different repositories lose little.
                let mut catalogue = base_images::load(&path)?;
                let indexed = base_images::index(&client, &reference, &mut catalogue)
                    .await
                    .with_context(|| format!("{typed} cannot be taken in"))?;
                base_images::save(&path, &catalogue)?;
                let left_out = match indexed.left_out {
                    0 => String::new(),
                    number => format!(", {number} left out that are no images"),
                };
                ui.line(format_args!("{typed}: {} tags{left_out}", indexed.tags));
            }
        }
        Command::List => {
            let catalogue = base_images::load(&path)?;
            if catalogue.is_empty() {
                ui.note("No base images are known; `tidewaiter base-images index REPO…` takes some in");
            }
            for image in catalogue.images() {
                ui.line(format_args!("{}  {}  {} layers", image.name, image.digest, image.layers));
            }
        }
    }
    Ok(())
}

/// A repository as Docker's users name it: without a tag all of them are meant, not `latest`.
fn repository(typed: &str) -> Result<Reference> {
    let has_tag = typed.rsplit('/').next().is_some_and(|last| last.contains([':', '@']));
    let mut reference = Reference::parse_familiar(typed)?;
    if !has_tag {
        reference = Reference::parse(&reference.repository_path())?;
    }
    Ok(reference)
}
