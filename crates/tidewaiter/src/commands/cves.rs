//! `tidewaiter cves`: what is wrong with an image.

use std::fmt::Write as _;
use std::path::PathBuf;

use anstyle::{AnsiColor, Style};
use anyhow::{Result, bail};
use clap::ValueEnum;
use tidewaiter_advisory::{Database, Severity, match_inventory};
use tidewaiter_inventory::Problem;
use tidewaiter_platform::report::{Report, ReportedFinding, ReportedImage};
use tidewaiter_platform::source::ReadImage;

use super::db::default_path;
use super::image::ImageArgs;
use crate::environment;
use crate::ui::Ui;

/// Tell what is known to be wrong with what is inside an image
#[derive(clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    image: ImageArgs,
    /// How to write it
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
    /// The advisory database, as `tidewaiter db build` makes it
    #[arg(long, value_name = "FILE")]
    db: Option<PathBuf>,
}

#[derive(Clone, Copy, ValueEnum)]
enum Format {
    /// For people
    Text,
    /// For programs
    Json,
}

/// Runs the command.
pub(crate) async fn run(args: Args, ui: Ui) -> Result<()> {
    let path = args.db.clone().unwrap_or_else(default_path);
    if !path.exists() {
        bail!(
            "there is no advisory database at {}; make one with `tidewaiter db build --from PATH…`, where PATH is a \
             bulk export of OSV (a zip file for each ecosystem)",
            path.display()
        );
    }
    let database = tokio::task::spawn_blocking(move || Database::open(&path)).await??;
    let read = args.image.read(ui).await?;
    for image in &read.images {
        let report = report(&read.name_of(image), image, &database);
        match args.format {
            Format::Json => ui.line(serde_json::to_string_pretty(&report)?),
            Format::Text => ui.out(text(&report, image.inventory.components.len())),
        }
    }
    Ok(())
}

fn report(name: &str, read: &ReadImage, database: &Database) -> Report {
    let image = ReportedImage {
        name: name.to_owned(),
        digest: read.digest.clone(),
        platform: read.platform(),
        distro: read
            .inventory
            .distro
            .as_ref()
            .map(|distro| distro.pretty_name.clone().unwrap_or_else(|| distro.id.clone())),
    };
    Report::new(image, &read.inventory, &match_inventory(database, &read.inventory, environment::timestamp()))
}

/// A problem as a sentence with its place.
pub(crate) fn problem_line(problem: &Problem) -> String {
    let place = [&problem.path, &problem.position];
    let place = place.into_iter().flatten().map(String::as_str).collect::<Vec<_>>().join(", ");
    if place.is_empty() { problem.reason.clone() } else { format!("{place}: {}", problem.reason) }
}

fn style(severity: Severity) -> Style {
    let color = match severity {
        Severity::Critical => return Style::new().bold().fg_color(Some(AnsiColor::Red.into())),
        Severity::High => AnsiColor::Red,
        Severity::Medium => AnsiColor::Yellow,
        Severity::Low => AnsiColor::Cyan,
        Severity::Negligible | Severity::Unknown => AnsiColor::BrightBlack,
    };
    Style::new().fg_color(Some(color.into()))
}

/// The report for people: a head, a table, the counts.
fn text(report: &Report, components: usize) -> String {
    let mut text = String::new();
    let image = &report.image;
    let _ = writeln!(text, "Image     {}", image.name);
    if let Some(digest) = &image.digest {
        let _ = writeln!(text, "Digest    {digest}");
    }
    let _ = writeln!(text, "System    {}", image.distro.as_deref().unwrap_or("unknown"));
    let _ = writeln!(text, "Packages  {components}\n");
    let rows: Vec<_> = report.findings.iter().map(row).collect();
    let widths: [usize; 5] = std::array::from_fn(|column| {
        rows.iter().map(|row| row[column].chars().count()).chain([HEAD[column].len()]).max().unwrap_or(0)
    });
    if !rows.is_empty() {
        write_row(&mut text, &widths, &HEAD.map(str::to_owned), Style::new().bold());
        for (row, finding) in rows.iter().zip(&report.findings) {
            write_row(&mut text, &widths, row, style(finding.severity));
        }
        text.push('\n');
    }
    let _ = writeln!(text, "{}", totals(&report.findings));
    for gap in &report.gaps {
        let _ = writeln!(text, "Not judged: {}", gap.text);
    }
    for problem in &report.problems {
        let _ = writeln!(text, "Problem: {}", problem_line(problem));
    }
    text
}

const HEAD: [&str; 5] = ["SEVERITY", "ADVISORY", "PACKAGE", "VERSION", "FIX"];

fn row(finding: &ReportedFinding) -> [String; 5] {
    let package = &finding.package;
    let severity = finding.severity.to_string();
    [severity, finding.id.clone(), package.name.clone(), package.version.clone(), finding.fix.to_text()]
}

fn write_row(text: &mut String, widths: &[usize; 5], row: &[String; 5], first: Style) {
    let mut line = format!("{first}{:<width$}{first:#}", row[0], width = widths[0]);
    for (cell, width) in row.iter().zip(widths).skip(1) {
        let _ = write!(line, "  {cell:<width$}");
    }
    text.push_str(line.trim_end());
    text.push('\n');
}

fn totals(findings: &[ReportedFinding]) -> String {
    let counts = Severity::ALL
        .into_iter()
        .rev()
        .map(|severity| (severity, findings.iter().filter(|finding| finding.severity == severity).count()));
    let parts: Vec<_> = counts
        .filter(|(_, count)| *count > 0)
        .map(|(severity, count)| format!("{count} {severity}"))
        .collect();
    match findings.len() {
        0 => "Nothing is known to be wrong.".to_owned(),
        1 => format!("1 finding: {}", parts.join(", ")),
        number => format!("{number} findings: {}", parts.join(", ")),
    }
}
