//! `tidewaiter quickview`: how an image stands, in a few lines.

use std::io::IsTerminal as _;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Result;
use tidewaiter_inventory::BaseProof;
use tidewaiter_report::text::{OverviewRow, quick_overview, short};
use tidewaiter_report::{Report, Selection};

use super::findings::JudgeArgs;
use super::image::ImageArgs;
use super::output::{self, Target};
use crate::environment;
use crate::ui::Ui;

/// Tell how an image stands, in a few lines
#[derive(clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    image: ImageArgs,
    #[command(flatten)]
    judge: JudgeArgs,
    /// The file for what would go to standard output
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
    /// Scout's older words, which do nothing any more
    #[arg(long, hide = true, num_args = 0..=1)]
    stream: Option<Option<String>>,
    #[arg(long, hide = true)]
    vex: bool,
}

/// Runs the command.
pub(crate) async fn run(args: Args, ui: Ui) -> Result<ExitCode> {
    let judge = args.judge.open(ui)?;
    let read = args.image.read(ui).await?;
    let targets = vec![Target { format: (), file: args.output.clone() }];
    output::write(&targets, &read, ui, |target, place| {
        let image = &read.images[place];
        let report = judge.report(&read.name_of(image), image, ui);
        let base = image.inventory.base_images.first();
        let mut text = quick_overview(&rows(&report, base.is_some_and(|base| base.layers > 0)));
        for gap in &report.gaps {
            text.push_str(&format!("\n  ! {}\n", gap.text));
        }
        if !report.undecided.is_empty() {
            text.push_str(&format!(
                "\n  ? Of {} vulnerabilities it cannot be told whether they are there\n",
                report.undecided.len()
            ));
        }
        if base.is_some_and(|base| base.proof == BaseProof::History) {
            ui.note("Note: no provenance says which base image this is built on; it was guessed from the image itself");
        }
        if target.file.is_some() { Ui::without_colours(&text) } else { ui.as_shown(&text) }.into_bytes()
    })?;
    if args.output.is_none() && std::io::stdout().is_terminal() && environment::has_hints() {
        ui.note(format_args!("\nWhat's next:\n    View vulnerabilities → tidewaiter cves {}", read.name));
    }
    Ok(ExitCode::SUCCESS)
}

fn rows(report: &Report, knows_base: bool) -> Vec<OverviewRow> {
    let row = |label: &str, value: &str| OverviewRow {
        label: label.to_owned(),
        value: value.to_owned(),
        counts: None,
    };
    let image = &report.image;
    let mut rows = vec![OverviewRow { counts: Some(report.counts), ..row("Target", target(&image.name)) }];
    rows.extend(image.digest.as_deref().map(|digest| row("  digest", short(digest))));
    if let Some(base) = &image.base {
        let counts = knows_base.then(|| {
            let mut of_base = report.clone();
            Selection { from_base: Some(true), ..Selection::default() }.apply(&mut of_base);
            of_base.counts
        });
        rows.push(OverviewRow { counts, ..row("Base image", base) });
    }
    rows
}

/// The name without the word in front that says where it is.
fn target(name: &str) -> &str {
    name.split_once("://").map_or(name, |(_, rest)| rest)
}
