//! Which of the findings are wanted, and which make a program fail.

use std::str::FromStr;

use regex::Regex;
use tidewaiter_advisory::Severity;
use tidewaiter_inventory::Purl;

use crate::{Report, ReportedFinding};

/// What must hold of a finding for it to be reported. Everything that is left empty holds.
#[derive(Debug, Clone, Default)]
pub struct Selection {
    /// Only these severities.
    pub severities: Vec<Severity>,
    /// Only these ids, or aliases.
    pub ids: Vec<String>,
    /// Only with a fix (`true`), or only without one.
    pub fixed: Option<bool>,
    /// Only what is known to be exploited.
    pub only_exploited: bool,
    /// Only with these parts in the CVSS vector, `AV:N` each.
    pub metrics: Vec<String>,
    /// Only packages whose name one of these matches.
    pub packages: Vec<Regex>,
    /// Only packages of these types.
    pub package_types: Vec<String>,
    /// Only with an exploit prediction of at least this, 0 to 1.
    pub epss_score: f64,
    /// Only with an exploit prediction among this share of the highest, 0 to 1.
    pub epss_percentile: f64,
    /// Only what the base image brought (`true`), or only what it did not.
    pub from_base: Option<bool>,
}

impl Selection {
    /// Takes what is not wanted out of a report, and counts anew.
    pub fn apply(&self, report: &mut Report) {
        let before = report.findings.len();
        report.findings.retain(|finding| self.wants(finding));
        if report.findings.len() < before {
            report.count();
        }
    }

    fn wants(&self, finding: &ReportedFinding) -> bool {
        let purl = || Purl::parse(&finding.package.purl).unwrap_or_default();
        let names = || {
            let source = finding.package.source.as_ref().map(|source| source.name.as_str());
            std::iter::once(finding.package.name.as_str()).chain(source)
        };
        let bears = |id: &String| {
            std::iter::once(&finding.id).chain(&finding.aliases).any(|name| name.eq_ignore_ascii_case(id))
        };
        let vector = || finding.score.as_ref().map(|score| score.vector.as_str()).unwrap_or_default();
        let has = |metric: &String| vector().split('/').any(|part| part.eq_ignore_ascii_case(metric));
        let epss = |of: fn(&tidewaiter_advisory::Epss) -> f64| finding.epss.as_ref().map_or(0.0, of);
        (self.severities.is_empty() || self.severities.contains(&finding.severity))
            && (self.ids.is_empty() || self.ids.iter().any(bears))
            && self.fixed.is_none_or(|fixed| finding.fix.is_available() == fixed)
            && (!self.only_exploited || finding.kev.is_some())
            && self.metrics.iter().all(has)
            && (self.packages.is_empty()
                || self.packages.iter().any(|pattern| names().any(|name| pattern.is_match(name))))
            && (self.package_types.is_empty() || self.package_types.contains(&purl().kind))
            && epss(|epss| epss.score) >= self.epss_score
            && epss(|epss| epss.percentile) >= self.epss_percentile
            && self.from_base.is_none_or(|from_base| finding.from_base == Some(from_base))
    }
}

/// What makes a program fail: all parts of it at once, `high+fixable`.
#[derive(Debug, Clone, PartialEq)]
pub struct Condition(Vec<Part>);

#[derive(Debug, Clone, Copy, PartialEq)]
enum Part {
    /// At least as bad.
    Severity(Severity),
    Fixable,
    Exploited,
    /// At least as likely to be exploited.
    Epss(f64),
}

impl Condition {
    /// Whether a finding fulfils it.
    #[must_use]
    pub fn holds(&self, finding: &ReportedFinding) -> bool {
        self.0.iter().all(|part| match part {
            Part::Severity(severity) => finding.severity >= *severity,
            Part::Fixable => finding.fix.is_available(),
            Part::Exploited => finding.kev.is_some(),
            Part::Epss(score) => finding.epss.is_some_and(|epss| epss.score >= *score),
        })
    }
}

impl FromStr for Condition {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = |part: &str| {
            format!(
                "{part:?} is no condition: there are a severity (critical, high, medium, low), fixable, kev and \
                 epss=SCORE with a score from 0 to 1, and with + several at once"
            )
        };
        let part = |part: &str| match part.trim() {
            "fixable" => Ok(Part::Fixable),
            "kev" => Ok(Part::Exploited),
            "any" => Ok(Part::Severity(Severity::Unknown)),
            other => match other.split_once('=') {
                Some(("epss", score)) => {
                    let score = score.parse().ok().filter(|score| (0.0..=1.0).contains(score));
                    score.map(Part::Epss).ok_or_else(|| wrong(other))
                }
                _ => other.parse().map(Part::Severity).map_err(|_| wrong(other)),
            },
        };
        text.split('+').map(part).collect::<Result<_, _>>().map(Self)
    }
}
