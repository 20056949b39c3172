//! `tidewaiter cves`: what is wrong with an image.

use std::path::PathBuf;
use std::process::ExitCode;
use std::str::FromStr;

use anyhow::{Result, bail};
use regex::Regex;
use tidewaiter_advisory::Severity;
use tidewaiter_inventory::{Problem, sbom};
use tidewaiter_platform::source::ReadImage;
use tidewaiter_report::text::Layout;
use tidewaiter_report::{Condition, Report, Selection, bills, gitlab, html, markdown, sarif, text};

use super::findings::{Judge, JudgeArgs};
use super::image::{ImageArgs, Images};
use super::output::{self, Target};
use crate::environment;
use crate::exit;
use crate::ui::Ui;

/// Tell what is known to be wrong with what is inside an image
#[derive(clap::Args)]
#[command(after_help = exit::HELP)]
pub(crate) struct Args {
    #[command(flatten)]
    image: ImageArgs,
    #[command(flatten)]
    judge: JudgeArgs,
    #[command(flatten)]
    selection: SelectionArgs,
    /// How to write it, and into which file.
    #[arg(
        long,
        value_name = "FORMAT[=FILE]",
        value_delimiter = ',',
        default_value = "packages",
        help = "How to write it, and into which file; repeatable: packages, only-packages, json, sarif, spdx, cyclonedx, \
                gitlab, markdown, sbom (Docker Scout's JSON), html. With several platforms, {platform} in the name of the \
                file stands for each"
    )]
    format: Vec<Target<Format>>,
    /// The file for what would go to standard output
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
    /// Add the advisories' own texts
    #[arg(long)]
    details: bool,
    /// Add where each package was found
    #[arg(long)]
    locations: bool,
    /// Add how likely each is to be exploited (EPSS), the likeliest first
    #[arg(long)]
    epss: bool,
    /// With only-packages: only packages with something wrong
    #[arg(long)]
    only_vuln_packages: bool,
    /// Exit with status 2 when anything is found
    #[arg(short, long)]
    exit_code: bool,
    /// Exit with status 2 when something is found of which this holds
    #[arg(
        long,
        value_name = "CONDITION",
        value_delimiter = ',',
        help = "Exit with status 2 when something is found of which this holds: a severity or worse, fixable, kev, \
                epss=SCORE; with + several at once (high+fixable); repeatable"
    )]
    fail_on: Vec<Condition>,
    /// Scout's older words, which do nothing any more
    #[arg(long, hide = true, num_args = 0..=1)]
    stream: Option<Option<String>>,
    #[arg(long, hide = true)]
    vex: bool,
}

/// Which findings are wanted.
#[derive(clap::Args)]
pub(crate) struct SelectionArgs {
    /// Only these severities: critical, high, medium, low, unspecified
    #[arg(long, value_name = "SEVERITY", value_delimiter = ',')]
    only_severity: Vec<Severity>,
    /// Only these vulnerabilities, by any of their names
    #[arg(long, value_name = "ID", value_delimiter = ',')]
    only_cve_id: Vec<String>,
    /// Only what has a fix
    #[arg(long, conflicts_with = "only_unfixed")]
    only_fixed: bool,
    /// Only what has none
    #[arg(long)]
    only_unfixed: bool,
    /// Only what CISA knows to be exploited
    #[arg(long)]
    only_cisa_kev: bool,
    /// Only with these parts in the CVSS vector, as AV:N
    #[arg(long, value_name = "METRIC", value_delimiter = ',')]
    only_metric: Vec<String>,
    /// Only packages whose name matches
    #[arg(long, value_name = "REGEX", value_delimiter = ',')]
    only_package: Vec<Regex>,
    /// Only packages of these types, as package URLs have them: deb, npm, …
    #[arg(long, value_name = "TYPE", value_delimiter = ',')]
    only_package_type: Vec<String>,
    /// Only what is at least so likely to be exploited, 0 to 1
    #[arg(long, value_name = "SCORE", default_value_t = 0.0, hide_default_value = true)]
    epss_score: f64,
    /// Only what is among the likeliest to be exploited, 0 to 1
    #[arg(long, value_name = "SHARE", default_value_t = 0.0, hide_default_value = true)]
    epss_percentile: f64,
    /// Only what the base image did not bring
    #[arg(long, conflicts_with = "only_base")]
    ignore_base: bool,
    /// Only what the base image brought
    #[arg(long)]
    only_base: bool,
}

impl SelectionArgs {
    fn selection(&self) -> Selection {
        // What is negligible is shown and counted as low.
        let mut severities = self.only_severity.clone();
        if severities.contains(&Severity::Low) {
            severities.push(Severity::Negligible);
        }
        let either = |one: bool, other: bool| one.then_some(true).or_else(|| other.then_some(false));
        Selection {
            severities,
            ids: self.only_cve_id.clone(),
            fixed: either(self.only_fixed, self.only_unfixed),
            only_exploited: self.only_cisa_kev,
            metrics: self.only_metric.clone(),
            packages: self.only_package.clone(),
            package_types: self.only_package_type.clone(),
            epss_score: self.epss_score,
            epss_percentile: self.epss_percentile,
            from_base: either(self.only_base, self.ignore_base),
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Format {
    Packages,
    OnlyPackages,
    Json,
    Sarif,
    Spdx,
    Cyclonedx,
    Gitlab,
    Markdown,
    Sbom,
    Html,
}

impl FromStr for Format {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, &'static str> {
        match text {
            "packages" | "text" => Ok(Self::Packages),
            "only-packages" => Ok(Self::OnlyPackages),
            "json" => Ok(Self::Json),
            "sarif" => Ok(Self::Sarif),
            "spdx" => Ok(Self::Spdx),
            "cyclonedx" => Ok(Self::Cyclonedx),
            "gitlab" => Ok(Self::Gitlab),
            "markdown" => Ok(Self::Markdown),
            "sbom" => Ok(Self::Sbom),
            "html" => Ok(Self::Html),
            _ => Err(
                "there are the formats packages, only-packages, json, sarif, spdx, cyclonedx, gitlab, markdown, \
                      sbom and html",
            ),
        }
    }
}

impl Format {
    /// Whether it tells what each vulnerability is about, in full.
    fn has_descriptions(self) -> bool {
        matches!(self, Self::Sarif | Self::Gitlab | Self::Markdown | Self::Cyclonedx | Self::Sbom)
    }
}

/// Runs the command.
pub(crate) async fn run(args: Args, ui: Ui) -> Result<ExitCode> {
    let targets = output::targets(&args.format, args.output.as_deref())?;
    let judge = args.judge.open(ui)?;
    let read = args.image.read(ui).await?;
    let reports: Vec<Report> =
        read.images.iter().map(|image| args.report(&judge, &read, image, ui)).collect::<Result<_>>()?;
    output::write(&targets, &read, ui, |target, place| {
        let document = args.document(target.format, &reports[place], &read, &read.images[place]);
        match (target.format, &target.file) {
            (Format::Packages, None) => ui.as_shown(&String::from_utf8_lossy(&document)).into_bytes(),
            (Format::Packages, Some(_)) => {
                Ui::without_colours(&String::from_utf8_lossy(&document)).into_bytes()
            }
            _ => document,
        }
    })?;
    let fails = reports.iter().any(|report| args.fails(report));
    Ok(if fails { exit::findings() } else { ExitCode::SUCCESS })
}

impl Args {
    fn report(&self, judge: &Judge, read: &Images, image: &ReadImage, ui: Ui) -> Result<Report> {
        let mut report = judge.report(&read.name_of(image), image, ui);
        let knows_base = image.inventory.base_images.first().is_some_and(|base| base.layers > 0);
        if (self.selection.ignore_base || self.selection.only_base) && !knows_base {
            bail!(
                "of {} it is not known which layers are its base image's; `tidewaiter base-images index IMAGE` makes one known",
                read.name_of(image)
            );
        }
        self.selection.selection().apply(&mut report);
        if self.details || self.format.iter().any(|target| target.format.has_descriptions()) {
            report.describe(&judge.database);
        }
        for problem in &report.problems {
            ui.note(format_args!("Warning: {}", problem_line(problem)));
        }
        Ok(report)
    }

    /// Whether what was found makes the program fail. An operating system that could not be judged is never taken for
    /// one that is clean.
    fn fails(&self, report: &Report) -> bool {
        let is_blind = report.gaps.iter().any(|gap| gap.kind.is_of_system() && gap.packages > 0);
        let found = self.exit_code && (!report.findings.is_empty() || is_blind);
        found
            || self
                .fail_on
                .iter()
                .any(|condition| report.findings.iter().any(|finding| condition.holds(finding)))
    }

    fn document(&self, format: Format, report: &Report, read: &Images, image: &ReadImage) -> Vec<u8> {
        let version = env!("CARGO_PKG_VERSION");
        let at = tidewaiter_platform::clock::rfc3339(environment::now());
        let subject = || sbom::Subject {
            timestamp: Some(at.clone()),
            tool_version: version.to_owned(),
            ..image.subject(&read.name_of(image))
        };
        match format {
            Format::Packages => text::packages(report, &self.layout()).into(),
            Format::OnlyPackages => text::only_packages(report, &self.packages(image)).into(),
            Format::Json => {
                let mut bytes = serde_json::to_vec_pretty(report).unwrap_or_default();
                bytes.push(b'\n');
                bytes
            }
            Format::Sarif => sarif::write(report, version),
            Format::Spdx => bills::spdx(&image.inventory, &subject(), report),
            Format::Cyclonedx => bills::cyclonedx(&image.inventory, &subject(), report),
            Format::Gitlab => gitlab::write(report, version, at.get(..19).unwrap_or(&at)),
            Format::Markdown => markdown::write(report).into(),
            Format::Sbom => bills::scout(&image.inventory, &subject(), report),
            Format::Html => html::write(report, version, &at).into(),
        }
    }

    fn layout(&self) -> Layout {
        Layout {
            details: self.details,
            locations: self.locations,
            epss: self.epss,
            width: environment::columns(),
        }
    }

    /// Every package of an image, unless only those with something wrong are wanted.
    fn packages(&self, image: &ReadImage) -> Vec<(String, String, String)> {
        let selection = &self.selection;
        let is_wanted = |kind: &str, name: &str| {
            (selection.only_package_type.is_empty()
                || selection.only_package_type.iter().any(|wanted| wanted == kind))
                && (selection.only_package.is_empty()
                    || selection.only_package.iter().any(|one| one.is_match(name)))
        };
        let each = image.inventory.components.iter().filter(|_| !self.only_vuln_packages);
        each.filter(|component| is_wanted(component.kind.purl_type(), &component.name))
            .map(|component| {
                (component.name.clone(), component.version.clone(), component.kind.purl_type().to_owned())
            })
            .collect()
    }
}

/// A problem as a sentence with its place.
pub(crate) fn problem_line(problem: &Problem) -> String {
    let place = [&problem.path, &problem.position];
    let place = place.into_iter().flatten().map(String::as_str).collect::<Vec<_>>().join(", ");
    if place.is_empty() { problem.reason.clone() } else { format!("{place}: {}", problem.reason) }
}
