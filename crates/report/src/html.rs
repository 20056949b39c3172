//! A page of its own: one file that opens from disk, without scripts from elsewhere, for those who get a report by mail.

use askama::Template;
use tidewaiter_advisory::Severity;

use crate::packages::{self, PackageFindings};
use crate::text::short;
use crate::{Counts, Report, ReportedFinding};

#[derive(Template)]
#[template(path = "report.html")]
struct Page<'a> {
    report: &'a Report,
    packages: Vec<PackageFindings<'a>>,
    bars: Vec<Bar>,
    fixable: usize,
    exploited: usize,
    at: &'a str,
    version: &'a str,
}

/// A part of the chart.
struct Bar {
    name: &'static str,
    class: &'static str,
    number: u64,
    /// Where it begins and how wide it is, in percent.
    start: f64,
    width: f64,
}

/// Writes the page. `at` is when it is written.
#[must_use]
pub fn write(report: &Report, version: &str, at: &str) -> String {
    let packages = packages::of(report);
    let count = |wanted: fn(&ReportedFinding) -> bool| {
        packages.iter().flat_map(|package| &package.findings).filter(|finding| wanted(finding)).count()
    };
    let page = Page {
        bars: bars(report.counts),
        fixable: count(|finding| finding.fix.is_available()),
        exploited: count(|finding| finding.kev.is_some()),
        packages,
        report,
        at,
        version,
    };
    page.render().unwrap_or_default()
}

fn bars(counts: Counts) -> Vec<Bar> {
    let all = [
        ("Critical", "critical", counts.critical),
        ("High", "high", counts.high),
        ("Medium", "medium", counts.medium),
        ("Low", "low", counts.low),
        ("Unspecified", "unspecified", counts.unspecified),
    ];
    let total = counts.total().max(1) as f64;
    let mut start = 0.0;
    let bars = all.into_iter().map(|(name, class, number)| {
        let width = number as f64 * 100.0 / total;
        let bar = Bar { name, class, number, start, width };
        start += width;
        bar
    });
    bars.collect()
}

fn class(severity: &Severity) -> &'static str {
    match severity {
        Severity::Critical => "critical",
        Severity::High => "high",
        Severity::Medium => "medium",
        Severity::Low | Severity::Negligible => "low",
        Severity::Unknown => "unspecified",
    }
}

fn layer(finding: &ReportedFinding) -> String {
    let layer = finding.layer.as_ref();
    layer.map(|layer| format!("{} ({})", layer.ordinal, short(&layer.diff_id))).unwrap_or_default()
}
