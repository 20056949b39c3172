//! Findings for people at a terminal, in the layout of Docker Scout: an overview, then every package with what is wrong
//! with it. Colours are escapes that the writer of the output strips where they are not wanted.

use std::fmt::Write as _;

use anstyle::{AnsiColor, Color, Style};
use tidewaiter_advisory::{Severity, Suppressed, Undecided};

use crate::packages::{self, PackageFindings};
use crate::{Counts, Report, ReportedFinding, link, weakness};

/// What the text holds beside what it always does.
#[derive(Debug, Clone, Copy, Default)]
pub struct Layout {
    /// The advisories' own texts.
    pub details: bool,
    /// Where each package shows.
    pub locations: bool,
    /// Exploit predictions, and their order.
    pub epss: bool,
    /// Columns of the terminal, for wrapping texts.
    pub width: usize,
}

/// The colour of a severity.
#[must_use]
pub fn style(severity: Severity) -> Style {
    let color = match severity {
        Severity::Critical => return Style::new().bold().fg_color(Some(AnsiColor::Red.into())),
        Severity::High => AnsiColor::Red,
        Severity::Medium => AnsiColor::Yellow,
        Severity::Low | Severity::Negligible => AnsiColor::Cyan,
        Severity::Unknown => AnsiColor::BrightBlack,
    };
    Style::new().fg_color(Some(Color::from(color)))
}

/// The name of a severity as it is printed.
#[must_use]
pub fn label(severity: Severity) -> &'static str {
    match severity {
        Severity::Critical => "CRITICAL",
        Severity::High => "HIGH",
        Severity::Medium => "MEDIUM",
        Severity::Low | Severity::Negligible => "LOW",
        Severity::Unknown => "UNSPECIFIED",
    }
}

/// The cells of a row of counts: `   0C     1H     2M     5L     1?`.
#[must_use]
pub fn counts(counts: Counts) -> String {
    let severities = [Severity::Critical, Severity::High, Severity::Medium, Severity::Low, Severity::Unknown];
    let cells = counts.columns().into_iter().zip(severities).map(|((number, letter), severity)| {
        let cell = format!("{number:>4}{letter}");
        if number == 0 { cell } else { format!("{0}{cell}{0:#}", style(severity)) }
    });
    cells.collect::<Vec<_>>().join("  ")
}

/// The whole report, package by package.
#[must_use]
pub fn packages(report: &Report, layout: &Layout) -> String {
    let mut text = String::new();
    overview(&mut text, report);
    text.push_str("## Packages and Vulnerabilities\n\n");
    let packages = packages::of(report);
    if packages.is_empty() {
        text.push_str("  No vulnerable packages detected\n\n");
    }
    for package in &packages {
        one_package(&mut text, package, layout);
    }
    doubts(&mut text, report);
    totals(&mut text, report, packages.len());
    text
}

/// The lines above everything: what was analysed, and how it stands.
fn overview(text: &mut String, report: &Report) {
    let image = &report.image;
    let scheme = image.name.split_once("://").map_or("", |(scheme, _)| scheme);
    let (title, target) = match scheme {
        "fs" => ("Analyzed File System", "Path"),
        "sbom" => ("Analyzed SBOM", "Target"),
        _ => ("Analyzed Image", "Target"),
    };
    let name = image.name.split_once("://").map_or(image.name.as_str(), |(_, rest)| rest);
    let name = if scheme == "sbom" && name.is_empty() { "<stdin>" } else { name };
    let mut rows = vec![(format!("  {target}"), format!(" {name}"))];
    let mut row = |label: &str, value: Option<String>| {
        rows.extend(value.filter(|value| !value.is_empty()).map(|value| (format!("    {label}"), value)));
    };
    if scheme != "fs" {
        row("digest", image.digest.as_deref().map(|digest| format!(" {}", short(digest))));
        row("platform", Some(image.platform.clone()));
    }
    row("provenance", image.source_repository.clone());
    row(
        "",
        image
            .source_revision
            .clone()
            .filter(|_| image.source_repository.is_some())
            .map(|commit| format!(" {commit}")),
    );
    row("vulnerabilities", Some(counts(report.counts)));
    row("size", (image.size > 0).then(|| size(image.size)));
    row("packages", Some(image.packages.to_string()));
    row("system", image.distro.clone());
    row("base image", image.base.clone());
    let width = rows.iter().map(|(label, _)| label.chars().count()).max().unwrap_or(0) + 1;
    let bold = Style::new().bold();
    let _ = writeln!(text, "{bold}## Overview{bold:#}\n");
    let _ = writeln!(text, "{:width$}│{}", "", format!("{title:^30}").trim_end());
    let _ = writeln!(text, "{}┼{}", "─".repeat(width), "─".repeat(30));
    for (label, value) in rows {
        let _ = writeln!(text, "{label:width$}│ {value}");
    }
    text.push('\n');
}

/// The first twelve digits of a digest.
#[must_use]
pub fn short(digest: &str) -> &str {
    let hex = digest.split_once(':').map_or(digest, |(_, hex)| hex);
    hex.get(..12).unwrap_or(hex)
}

fn size(bytes: u64) -> String {
    let megabytes = bytes as f64 / 1e6;
    if megabytes < 1.0 { format!("{} kB", bytes.div_ceil(1000)) } else { format!("{megabytes:.0} MB") }
}

fn one_package(text: &mut String, package: &PackageFindings<'_>, layout: &Layout) {
    let bold = Style::new().bold();
    let _ = writeln!(text, "{}  {bold}{} {}{bold:#}", counts(package.counts), package.name, package.version);
    let _ = writeln!(text, "{}", package.purl);
    if package.built != [package.name.as_str()] {
        let _ = writeln!(text, "installed as {}", package.built.join(", "));
    }
    if layout.locations {
        locations(text, package);
    }
    text.push('\n');
    let mut findings = package.findings.clone();
    if layout.epss {
        let score = |finding: &ReportedFinding| finding.epss.map_or(0.0, |epss| epss.score);
        findings.sort_by(|a, b| score(b).total_cmp(&score(a)));
    }
    for finding in findings {
        one_finding(text, finding, layout);
    }
    text.push('\n');
}

fn locations(text: &mut String, package: &PackageFindings<'_>) {
    let mut shown: Option<&str> = None;
    for location in &package.locations {
        if shown != Some(location.layer.diff_id.as_str()) {
            let _ = writeln!(text, "{}: {}", location.layer.ordinal, location.layer.diff_id);
            shown = Some(&location.layer.diff_id);
        }
        let _ = writeln!(text, "   /{} (evident by)", location.path);
    }
}

fn one_finding(text: &mut String, finding: &ReportedFinding, layout: &Layout) {
    let style = style(finding.severity);
    let mut head = format!("    {style}✗ {} {}{style:#}", label(finding.severity), finding.id);
    if finding.kev.is_some() {
        head.push_str("  CISA KEV");
    }
    let weakness = finding.weakness.as_deref().map(|id| weakness::title(id).unwrap_or(id));
    if let Some(weakness) = weakness {
        let _ = write!(head, " [{weakness}]");
    }
    let _ = writeln!(text, "{head}");
    let _ = writeln!(text, "      {}", link(&finding.id));
    if !finding.summary.is_empty() {
        let _ = writeln!(text, "      {}", one_line(&finding.summary));
    }
    if let (true, Some(description)) = (layout.details, &finding.description) {
        text.push('\n');
        wrapped(text, description, layout.width);
        text.push('\n');
    }
    let mut field = |name: &str, value: &str| {
        let _ = writeln!(text, "      {name:<16}: {value}");
    };
    let mut ranges = finding.affected.iter().map(|one| &one.range).fold(
        Vec::new(),
        |mut known: Vec<&Vec<String>>, range| {
            if !known.contains(&range) {
                known.push(range);
            }
            known
        },
    );
    ranges.truncate(4);
    for (place, range) in ranges.into_iter().enumerate() {
        for (number, constraint) in range.iter().enumerate() {
            field(if place == 0 && number == 0 { "Affected range" } else { "" }, constraint);
        }
    }
    field("Fixed version", &finding.fix.to_text());
    if let Some(score) = &finding.score {
        field("CVSS Score", &format!("{:.1}", score.value));
        field("CVSS Vector", &score.vector);
    }
    if let (true, Some(epss)) = (layout.epss, finding.epss) {
        field("EPSS Score", &format!("{:.2}%", epss.score * 100.0));
        field("EPSS Percentile", &format!("{} percentile", ordinal(epss.percentile)));
    }
    if !finding.announcements.is_empty() {
        field("Announced in", &finding.announcements.join(", "));
    }
    text.push('\n');
}

/// `9th`, of a share from 0 to 1.
fn ordinal(share: f64) -> String {
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a share is from 0 to 1")]
    let number = (share.clamp(0.0, 1.0) * 100.0).round() as u32;
    let ending = match (number % 10, number % 100) {
        (_, 11..=13) => "th",
        (1, _) => "st",
        (2, _) => "nd",
        (3, _) => "rd",
        _ => "th",
    };
    format!("{number}{ending}")
}

/// Without control characters, which could do anything to a terminal.
fn one_line(text: &str) -> String {
    text.chars().filter(|character| !character.is_control()).collect()
}

fn wrapped(text: &mut String, description: &str, width: usize) {
    let width = width.clamp(40, 100) - 8;
    for line in description.lines() {
        let mut length = 0;
        let mut out = String::from("      >");
        for word in line.split_whitespace().map(one_line) {
            let word_length = word.chars().count();
            if length > 0 && length + 1 + word_length > width {
                let _ = writeln!(text, "{out}");
                out = String::from("      >");
                length = 0;
            }
            let _ = write!(out, " {word}");
            length += 1 + word_length;
        }
        let _ = writeln!(text, "{out}");
    }
}

/// What was not decided or not judged: it is never silently left out.
fn doubts(text: &mut String, report: &Report) {
    if !report.undecided.is_empty() {
        text.push_str("## Cannot tell\n\n");
        let mut shown: Vec<(&str, &str)> = Vec::new();
        for Undecided { component, reason, .. } in &report.undecided {
            if !shown.contains(&(component, reason)) {
                shown.push((component, reason));
            }
        }
        for (component, reason) in shown {
            let of_it = |one: &&Undecided| one.component == component && one.reason == reason;
            let ids: Vec<&str> = report.undecided.iter().filter(of_it).map(|one| one.id.as_str()).collect();
            let _ = writeln!(text, "    ? {component}: {}\n      {}", reason, list(&ids));
        }
        text.push('\n');
    }
    let suppressed: Vec<&Suppressed> = report.suppressed.iter().collect();
    if !suppressed.is_empty() {
        text.push_str("## Suppressed\n\n");
        for one in suppressed {
            let finding = &one.finding;
            let _ = writeln!(
                text,
                "    - {} {} SUPPRESSED {}\n      {}",
                label(finding.severity),
                finding.id,
                finding.component,
                one.reason
            );
        }
        text.push('\n');
    }
    if !report.gaps.is_empty() {
        let style = Style::new().bold().fg_color(Some(AnsiColor::Yellow.into()));
        text.push_str("## Not judged\n\n");
        for gap in &report.gaps {
            let _ = writeln!(text, "    {style}!{style:#} {}", gap.text);
        }
        text.push('\n');
    }
}

/// The first ids, and how many more.
fn list(ids: &[&str]) -> String {
    const SHOWN: usize = 8;
    let first = ids.iter().take(SHOWN).copied().collect::<Vec<_>>().join(", ");
    match ids.len().saturating_sub(SHOWN) {
        0 => first,
        more => format!("{first} and {more} more"),
    }
}

fn totals(text: &mut String, report: &Report, packages: usize) {
    let total = report.counts.total();
    let vulnerabilities = if total == 1 { "vulnerability" } else { "vulnerabilities" };
    let plural = if packages == 1 { "package" } else { "packages" };
    let _ = writeln!(text, "{total} {vulnerabilities} found in {packages} {plural}");
    let severities = [Severity::Critical, Severity::High, Severity::Medium, Severity::Low, Severity::Unknown];
    for ((number, _), severity) in report.counts.columns().into_iter().zip(severities) {
        let style = style(severity);
        let name = label(severity);
        let _ = writeln!(text, "  {style}{name:<12}{style:#}{number}");
    }
    let undecided = report.undecided.len();
    if undecided > 0 {
        let _ = writeln!(text, "  CANNOT TELL {undecided}");
    }
}

/// One line for each package: name, version, type, how much is wrong.
#[must_use]
pub fn only_packages(report: &Report, all: &[(String, String, String)]) -> String {
    let mut rows: Vec<[String; 4]> = vec![["Name", "Version", "Type", "Vulnerabilities"].map(str::to_owned)];
    let short = |counts: Counts| {
        counts
            .columns()
            .into_iter()
            .map(|(number, letter)| format!("{number}{letter}"))
            .collect::<Vec<_>>()
            .join(" ")
    };
    let mut clean: Vec<&(String, String, String)> = all.iter().collect();
    for package in packages::of(report) {
        clean.retain(|(name, version, _)| {
            // What was built from one source bears its version, or a name of its own.
            let is_built = package.built.contains(&name.as_str()) && *name != package.name;
            let is_itself = *name == package.name && *version == package.version;
            !(is_built || is_itself)
        });
        rows.push([package.name, package.version, package.kind, short(package.counts)]);
    }
    rows.extend(clean.into_iter().map(|(name, version, kind)| {
        [name.clone(), version.clone(), kind.clone(), short(Counts::default())]
    }));
    let widths: [usize; 4] =
        std::array::from_fn(|column| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0));
    let mut text = String::new();
    for (number, row) in rows.iter().enumerate() {
        let cells: Vec<String> =
            row.iter().zip(widths).map(|(cell, width)| format!(" {cell:<width$} ")).collect();
        let _ = writeln!(text, "{}", cells.join("│").trim_end());
        if number == 0 {
            let lines: Vec<String> = widths.iter().map(|width| "─".repeat(width + 2)).collect();
            let _ = writeln!(text, "{}", lines.join("┼"));
        }
    }
    text
}

/// A line of the short overview.
#[derive(Debug, Clone, Default)]
pub struct OverviewRow {
    /// What the line is about: `Target`, `Base image`.
    pub label: String,
    /// Its name, or a value.
    pub value: String,
    /// How it stands.
    pub counts: Option<Counts>,
}

/// The short overview: a line for the image, its digest, and what it stands on.
#[must_use]
pub fn quick_overview(rows: &[OverviewRow]) -> String {
    let width =
        |of: fn(&OverviewRow) -> &String| rows.iter().map(|row| of(row).chars().count()).max().unwrap_or(0);
    let (labels, values) = (width(|row| &row.label), width(|row| &row.value));
    let mut text = String::new();
    for row in rows {
        let counts = row.counts.map(counts).unwrap_or_default();
        let line = format!("  {:labels$} │  {:values$}  │ {counts}", row.label, row.value);
        let _ = writeln!(text, "{}", line.trim_end());
    }
    text
}
