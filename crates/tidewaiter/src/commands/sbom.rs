//! `tidewaiter sbom`: what is inside an image.

use anyhow::Result;
use clap::ValueEnum;
use tidewaiter_inventory::sbom;

use super::image::ImageArgs;
use crate::environment;
use crate::ui::Ui;

/// List what is inside an image
#[derive(clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    image: ImageArgs,
    /// How to write it
    #[arg(long, value_enum, default_value_t = Format::List)]
    format: Format,
}

#[derive(Clone, Copy, ValueEnum)]
enum Format {
    /// CycloneDX 1.6 as JSON
    Cyclonedx,
    /// A line a package
    List,
}

/// Runs the command.
pub(crate) async fn run(args: Args, ui: Ui) -> Result<()> {
    let read = args.image.read().await?;
    for problem in &read.inventory.problems {
        ui.note(format_args!("Warning: {}", super::cves::problem_line(problem)));
    }
    if read.inventory.components.is_empty() {
        ui.note(format_args!("Warning: no package was found in {}", args.image.image));
    }
    match args.format {
        Format::Cyclonedx => {
            let subject = sbom::Subject {
                name: args.image.image.clone(),
                digest: read.digest.clone(),
                timestamp: Some(tidewaiter_platform::clock::rfc3339(environment::now())),
                serial_number: None,
                tool_version: env!("CARGO_PKG_VERSION").to_owned(),
            };
            ui.bytes(&sbom::cyclonedx::write(&read.inventory, &subject));
        }
        Format::List => ui.out(sbom::list::write(&read.inventory)),
    }
    Ok(())
}
