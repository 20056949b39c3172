//! `tidewaiter explain`: why a vulnerability is found in an image, or why it is not.

use std::fmt::Write as _;
use std::process::ExitCode;

use anyhow::Result;
use tidewaiter_advisory::{Advisory, Matches, Trace, trace};
use tidewaiter_platform::source::ReadImage;

use super::findings::{Judge, JudgeArgs};
use super::image::ImageArgs;
use crate::ui::Ui;

/// Tell why a vulnerability is found in an image, or why it is not
#[derive(clap::Args)]
#[command(mut_arg("image", |image| image.required(true).index(1)))]
pub(crate) struct Args {
    #[command(flatten)]
    image: ImageArgs,
    /// The vulnerability, by any of its names
    #[arg(value_name = "ID", index = 2)]
    id: String,
    /// Only of this package, by name or package URL
    #[arg(long, value_name = "PACKAGE")]
    package: Option<String>,
    #[command(flatten)]
    judge: JudgeArgs,
}

/// Runs the command.
pub(crate) async fn run(args: Args, ui: Ui) -> Result<ExitCode> {
    let judge = args.judge.open(ui)?;
    let read = args.image.read(ui).await?;
    for image in &read.images {
        let name = read.name_of(image);
        let matches = judge.matches(&name, image, ui);
        ui.out(args.text(&judge, &name, image, &matches));
    }
    Ok(ExitCode::SUCCESS)
}

impl Args {
    /// Whether a component is meant, given by its package URL and the name that was compared.
    fn is_meant(&self, purl: &str, name: &str) -> bool {
        self.package.as_ref().is_none_or(|package| {
            name == package || purl.starts_with(package) || purl.contains(&format!("/{package}@"))
        })
    }

    fn text(&self, judge: &Judge, name: &str, image: &ReadImage, matches: &Matches) -> String {
        let mut text = String::new();
        let records = judge.database.advisories_named(&self.id);
        let bears = |id: &str, aliases: &[String]| {
            let names = || std::iter::once(id).chain(aliases.iter().map(String::as_str));
            names().any(|name| name == self.id)
                || records.iter().any(|record| names().any(|name| name == record.canonical))
        };
        let _ = writeln!(text, "{} in {name}\n", self.id);
        let mut is_said = false;
        for finding in matches
            .findings
            .iter()
            .filter(|one| bears(&one.id, &one.aliases) && self.is_meant(&one.component, ""))
        {
            is_said = true;
            let _ =
                writeln!(text, "FOUND       {}\n            {}", finding.component, finding.explanation.text);
            evidence(&mut text, image, &finding.component);
        }
        for one in matches.suppressed.iter().filter(|one| {
            bears(&one.finding.id, &one.finding.aliases) && self.is_meant(&one.finding.component, "")
        }) {
            is_said = true;
            let _ = writeln!(
                text,
                "SUPPRESSED  {}\n            {}\n            {}",
                one.finding.component, one.reason, one.finding.explanation.text
            );
            evidence(&mut text, image, &one.finding.component);
        }
        for one in
            matches.undecided.iter().filter(|one| bears(&one.id, &[]) && self.is_meant(&one.component, ""))
        {
            is_said = true;
            let _ =
                writeln!(text, "CANNOT TELL {}\n            {} ({})", one.component, one.reason, one.record);
        }
        if !is_said {
            text.push_str("NOT FOUND\n");
        }
        let traces = trace(&judge.database, &image.inventory, &self.id);
        let traces: Vec<&Trace> =
            traces.iter().filter(|one| self.is_meant(&one.component, &one.package)).collect();
        if !traces.is_empty() {
            text.push_str("\nWhat each record says:\n");
        }
        for one in &traces {
            let ranges = if one.ranges.is_empty() { "no range".to_owned() } else { one.ranges.join(" or ") };
            let _ = writeln!(
                text,
                "  {} for {} {}: {ranges}\n    {} is {}\n    {}",
                one.record, one.ecosystem, one.package, one.component, one.version, one.verdict
            );
        }
        elsewhere(&mut text, &records, &traces);
        for gap in &matches.gaps {
            let _ = writeln!(text, "\nNot judged: {}", gap.text);
        }
        text
    }
}

/// What shows that the component is there.
fn evidence(text: &mut String, image: &ReadImage, purl: &str) {
    let component = image.inventory.components.iter().find(|component| component.purl == purl);
    for place in component.iter().flat_map(|component| &component.evidence).take(3) {
        let _ = writeln!(text, "            /{} in layer {} ({})", place.path, place.layer, place.diff_id);
    }
    if let Some(owner) = component.and_then(|component| component.owner.as_ref()) {
        let _ = writeln!(text, "            installed by {owner}");
    }
}

/// The records that say nothing of what is in the image.
fn elsewhere(text: &mut String, records: &[Advisory], traces: &[&Trace]) {
    if records.is_empty() && traces.is_empty() {
        text.push_str("\nNo record of the advisory database bears this name.\n");
        return;
    }
    let others = records.iter().filter(|record| traces.iter().all(|one| one.record != record.id));
    for record in others {
        let _ = writeln!(
            text,
            "  {} is about no package of this image as it is installed: {}",
            record.id,
            record.packages.iter().take(6).cloned().collect::<Vec<_>>().join(", ")
        );
    }
}
