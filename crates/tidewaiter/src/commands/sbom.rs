//! `tidewaiter sbom`: what is inside an image.

use std::path::{Path, PathBuf};
use std::str::FromStr;

use anyhow::{Context as _, Result, bail};
use tidewaiter_inventory::sbom::Format;
use tidewaiter_inventory::{Inventory, sbom};
use tidewaiter_platform::source::ReadImage;

use super::image::{ImageArgs, Images};
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
    format: Vec<Target>,
    /// With the list, only packages of these types, as package URLs have them: deb, npm, …
    #[arg(long, value_name = "TYPE", value_delimiter = ',')]
    only_package_type: Vec<String>,
    /// The file for what would go to standard output
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
}

/// A format and where it goes.
#[derive(Clone)]
struct Target {
    format: Format,
    file: Option<PathBuf>,
}

impl FromStr for Target {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (name, file) = match text.split_once('=') {
            Some((_, "")) => return Err("the name of the file is missing after the \"=\"".to_owned()),
            Some((name, file)) => (name, Some(PathBuf::from(file))),
            None => (text, None),
        };
        let format = name.parse().map_err(|error: sbom::UnknownFormat| error.to_string())?;
        Ok(Self { format, file })
    }
}

/// What stands for the platform in the name of a file.
const PLATFORM: &str = "{platform}";

/// Runs the command.
pub(crate) async fn run(args: Args, ui: Ui) -> Result<()> {
    let targets = args.targets()?;
    let read = args.image.read(ui).await?;
    for image in &read.images {
        for problem in &image.inventory.problems {
            ui.note(format_args!("Warning: {}", super::cves::problem_line(problem)));
        }
        if image.inventory.components.is_empty() {
            ui.note(format_args!("Warning: no package was found in {}", read.name_of(image)));
        }
    }
    let is_many = read.images.len() > 1;
    let fixed = targets.iter().filter_map(|target| target.file.as_deref()).find(|file| !is_template(file));
    if let Some(file) = fixed.filter(|_| is_many) {
        bail!(
            "{} has {} images, and {} can hold one: put {PLATFORM} into its name",
            read.name,
            read.images.len(),
            file.display()
        );
    }
    for target in &targets {
        for image in &read.images {
            let bytes = args.document(target.format, &read, image);
            match &target.file {
                None => {
                    if is_many && target.format == Format::List {
                        ui.line(format_args!("{}:", read.name_of(image)));
                    }
                    ui.bytes(&bytes);
                }
                Some(file) => {
                    let file = file_of(file, image);
                    write(&file, &bytes)?;
                    ui.note(format_args!("Written to {}", file.display()));
                }
            }
        }
    }
    Ok(())
}

impl Args {
    /// The targets, one of them at most without a file.
    fn targets(&self) -> Result<Vec<Target>> {
        let mut targets = self.format.clone();
        let mut open = targets.iter_mut().filter(|target| target.file.is_none());
        let first = open.next();
        if open.next().is_some() {
            bail!(
                "of several formats only one can go to standard output: give the others a file, as in spdx=sbom.spdx.json"
            );
        }
        match (first, &self.output) {
            (Some(target), Some(file)) => target.file = Some(file.clone()),
            (None, Some(file)) => bail!("--output {}: every format has a file already", file.display()),
            _ => {}
        }
        Ok(targets)
    }

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

fn is_template(file: &Path) -> bool {
    file.to_string_lossy().contains(PLATFORM)
}

fn file_of(file: &Path, image: &ReadImage) -> PathBuf {
    match file.to_str() {
        Some(text) => PathBuf::from(text.replace(PLATFORM, &image.platform().replace('/', "-"))),
        None => file.to_owned(),
    }
}

/// Writes beside the file and renames, so that nobody reads half of it. What is no plain file (a pipe, `/dev/stdout`)
/// is written to.
fn write(file: &Path, bytes: &[u8]) -> Result<()> {
    let failed = || format!("{} cannot be written", file.display());
    if file.metadata().is_ok_and(|facts| !facts.is_file()) {
        return std::fs::write(file, bytes).with_context(failed);
    }
    let mut name = file.file_name().with_context(failed)?.to_owned();
    name.push(format!(".{}.part", std::process::id()));
    let beside = file.with_file_name(name);
    let written = std::fs::write(&beside, bytes).and_then(|()| std::fs::rename(&beside, file));
    if written.is_err() {
        // The first error is the one to tell.
        let _ = std::fs::remove_file(&beside);
    }
    written.with_context(failed)
}
