//! `tidewaiter sbom`: what is inside an image.

use std::path::PathBuf;

use anyhow::Result;
use tidewaiter_inventory::sbom::Format;
use tidewaiter_inventory::{Inventory, sbom};
use tidewaiter_platform::source::ReadImage;

use super::image::{ImageArgs, Images};
use super::output::{self, Target};
use crate::environment;
use crate::ui::Ui;

/// List what is inside an image
#[derive(clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    image: ImageArgs,
    /// How to write it, and into which file.
    #[arg(
        long,
        value_name = "FORMAT[=FILE]",
        value_delimiter = ',',
        default_value = "json",
        help = "How to write it, and into which file; repeatable: json (Docker Scout's), list, spdx (2.3), cyclonedx \
                (1.6). With several platforms, {platform} in the name of the file stands for each"
    )]
    format: Vec<Target<Format>>,
    /// With the list, only packages of these types, as package URLs have them: deb, npm, …
    #[arg(long, value_name = "TYPE", value_delimiter = ',')]
    only_package_type: Vec<String>,
    /// The file for what would go to standard output
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
}

/// Runs the command.
pub(crate) async fn run(args: Args, ui: Ui) -> Result<()> {
    let targets = output::targets(&args.format, args.output.as_deref())?;
    let read = args.image.read(ui).await?;
    for image in &read.images {
        for problem in &image.inventory.problems {
            ui.note(format_args!("Warning: {}", super::cves::problem_line(problem)));
        }
        if image.inventory.components.is_empty() {
            ui.note(format_args!("Warning: no package was found in {}", read.name_of(image)));
        }
    }
    output::write(&targets, &read, ui, |target, place| {
        let image = &read.images[place];
        let bytes = args.document(target.format, &read, image);
        let is_titled = target.file.is_none() && target.format == Format::List && read.images.len() > 1;
        let title = if is_titled { format!("{}:\n", read.name_of(image)) } else { String::new() };
        [title.into_bytes(), bytes].concat()
    })
}

impl Args {
    fn document(&self, format: Format, read: &Images, image: &ReadImage) -> Vec<u8> {
        let subject = sbom::Subject {
            timestamp: Some(tidewaiter_platform::clock::rfc3339(environment::now())),
            tool_version: env!("CARGO_PKG_VERSION").to_owned(),
            ..image.subject(&read.name_of(image))
        };
        let inventory = &image.inventory;
        if format != Format::List || self.only_package_type.is_empty() {
            return format.write(inventory, &subject);
        }
        let mut some = Inventory { components: inventory.components.clone(), ..Inventory::default() };
        let is_wanted = |kind: &str| self.only_package_type.iter().any(|wanted| wanted == kind);
        some.components.retain(|component| is_wanted(component.kind.purl_type()));
        format.write(&some, &subject)
    }
}
