//! Where documents go that `sbom` and `cves` write: several formats in one run, each to a file of its own or one of them
//! to standard output.

use std::fmt::Display;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use anyhow::{Context as _, Result, bail};
use tidewaiter_platform::source::ReadImage;

use super::image::Images;
use crate::ui::Ui;

/// A format and where it goes.
#[derive(Debug, Clone)]
pub(crate) struct Target<F> {
    pub(crate) format: F,
    /// Standard output when there is none.
    pub(crate) file: Option<PathBuf>,
}

impl<F: FromStr<Err: Display>> FromStr for Target<F> {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (name, file) = match text.split_once('=') {
            Some((_, "")) => return Err("the name of the file is missing after the \"=\"".to_owned()),
            Some((name, file)) => (name, Some(PathBuf::from(file))),
            None => (text, None),
        };
        let format = name.parse().map_err(|error: F::Err| error.to_string())?;
        Ok(Self { format, file })
    }
}

/// What stands for the platform in the name of a file.
const PLATFORM: &str = "{platform}";

/// The targets, one of them at most without a file; `output` is the file for that one.
pub(crate) fn targets<F: Clone>(formats: &[Target<F>], output: Option<&Path>) -> Result<Vec<Target<F>>> {
    let mut targets = formats.to_vec();
    let mut open = targets.iter_mut().filter(|target| target.file.is_none());
    let first = open.next();
    if open.next().is_some() {
        bail!(
            "of several formats only one can go to standard output: give the others a file, as in spdx=sbom.spdx.json"
        );
    }
    match (first, output) {
        (Some(target), Some(file)) => target.file = Some(file.to_owned()),
        (None, Some(file)) => bail!("--output {}: every format has a file already", file.display()),
        _ => {}
    }
    Ok(targets)
}

/// Writes a document of every image to every target. `document` is given the image's place among those that were read.
pub(crate) fn write<F>(
    targets: &[Target<F>],
    read: &Images,
    ui: Ui,
    document: impl Fn(&Target<F>, usize) -> Vec<u8>,
) -> Result<()> {
    let fixed = targets.iter().filter_map(|target| target.file.as_deref()).find(|file| !is_template(file));
    if let Some(file) = fixed.filter(|_| read.images.len() > 1) {
        bail!(
            "{} has {} images, and {} can hold one: put {PLATFORM} into its name",
            read.name,
            read.images.len(),
            file.display()
        );
    }
    for target in targets {
        for (place, image) in read.images.iter().enumerate() {
            let bytes = document(target, place);
            match &target.file {
                None => ui.bytes(&bytes),
                Some(file) => {
                    let file = file_of(file, image);
                    write_file(&file, &bytes)?;
                    ui.note(format_args!("Written to {}", file.display()));
                }
            }
        }
    }
    Ok(())
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
fn write_file(file: &Path, bytes: &[u8]) -> Result<()> {
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
