//! Markdown for a comment or a job summary on GitHub, with the HTML that GitHub lets through.

use std::fmt::Write as _;

use tidewaiter_advisory::Severity;

use crate::packages::{self, PackageFindings};
use crate::sarif::range;
use crate::text::{label, short};
use crate::{Counts, Report, ReportedFinding, link, weakness};

/// Writes the document.
#[must_use]
pub fn write(report: &Report) -> String {
    let mut out = String::new();
    let image = &report.image;
    let _ = writeln!(out, "<h2>:mag: Vulnerabilities of <code>{}</code></h2>\n", escaped(&image.name));
    let _ = writeln!(
        out,
        "<details open=\"true\"><summary>:package: Image Reference <code>{}</code></summary>\n<table>",
        escaped(&image.name)
    );
    let mut row = |name: &str, value: &str| {
        let _ = writeln!(out, "<tr><td>{name}</td><td>{value}</td></tr>");
    };
    if let Some(digest) = &image.digest {
        row("digest", &format!("<code>{}</code>", escaped(digest)));
    }
    row("vulnerabilities", &badges(report.counts));
    row("platform", &escaped(&image.platform));
    row("size", &format!("{:.0} MB", image.size as f64 / 1e6));
    row("packages", &image.packages.to_string());
    if let Some(base) = &image.base {
        row("base image", &format!("<code>{}</code>", escaped(base)));
    }
    out.push_str("</table>\n</details>\n\n");
    for gap in &report.gaps {
        let _ = writeln!(out, ":warning: {}\n", escaped(&gap.text));
    }
    if !report.undecided.is_empty() {
        let _ = writeln!(
            out,
            ":grey_question: Of {} vulnerabilities it cannot be told whether they are there.\n",
            report.undecided.len()
        );
    }
    let packages = packages::of(report);
    if packages.is_empty() {
        out.push_str("No vulnerable packages detected\n");
        return out;
    }
    out.push_str("<table>\n");
    for package in &packages {
        one_package(&mut out, package);
    }
    out.push_str("</table>\n");
    out
}

fn one_package(out: &mut String, package: &PackageFindings<'_>) {
    let _ = writeln!(
        out,
        "<tr><td valign=\"top\">\n<details><summary>{} <strong>{}</strong> <code>{}</code> ({})</summary>\n\n<small><code>{}</code></small><br/>",
        badges(package.counts),
        escaped(&package.name),
        escaped(&package.version),
        escaped(&package.kind),
        escaped(&package.purl)
    );
    for location in package.locations.iter().take(5) {
        let _ = writeln!(
            out,
            "<code>/{}</code> (layer {}, <code>{}</code>)<br/>",
            escaped(&location.path),
            location.layer.ordinal,
            escaped(short(&location.layer.diff_id))
        );
    }
    for finding in &package.findings {
        one_finding(out, finding);
    }
    out.push_str("</details></td></tr>\n");
}

fn one_finding(out: &mut String, finding: &ReportedFinding) {
    let id = escaped(&finding.id);
    let badge =
        badge(&format!("{} {}", label(finding.severity).to_lowercase(), finding.id), color(finding.severity));
    let title = finding
        .weakness
        .as_deref()
        .map(|weakness| weakness::title(weakness).unwrap_or(weakness))
        .unwrap_or_default();
    let exploited = if finding.kev.is_some() { " <strong>CISA KEV</strong>" } else { "" };
    let _ = writeln!(
        out,
        "<a href=\"{}\"><img alt=\"{id}\" src=\"{badge}\"/></a> <i>{}</i>{exploited}\n\n<table>",
        escaped(&link(&finding.id)),
        escaped(title)
    );
    let mut row = |name: &str, value: String| {
        let _ = writeln!(out, "<tr><td>{name}</td><td>{value}</td></tr>");
    };
    row("Affected range", format!("<code>{}</code>", escaped(&range(finding))));
    row("Fixed version", format!("<code>{}</code>", escaped(&finding.fix.to_text())));
    if let Some(score) = &finding.score {
        row("CVSS Score", format!("<code>{:.1}</code>", score.value));
        row("CVSS Vector", format!("<code>{}</code>", escaped(&score.vector)));
    }
    if let Some(epss) = finding.epss {
        row("EPSS Score", format!("<code>{:.2}%</code>", epss.score * 100.0));
    }
    out.push_str("</table>\n\n");
    let about = finding.description.as_deref().unwrap_or(&finding.summary);
    if !about.is_empty() {
        let _ = writeln!(
            out,
            "<details><summary>Description</summary>\n<blockquote>\n\n{}\n\n</blockquote>\n</details>\n",
            escaped(about)
        );
    }
}

fn color(severity: Severity) -> &'static str {
    match severity {
        Severity::Critical => "8b1924",
        Severity::High => "e25d68",
        Severity::Medium => "fbb552",
        Severity::Low | Severity::Negligible => "fce1a9",
        Severity::Unknown => "lightgrey",
    }
}

/// Images of the numbers, as shields.io draws them.
fn badges(counts: Counts) -> String {
    let all = [
        (counts.critical, Severity::Critical, "critical"),
        (counts.high, Severity::High, "high"),
        (counts.medium, Severity::Medium, "medium"),
        (counts.low, Severity::Low, "low"),
        (counts.unspecified, Severity::Unknown, "unspecified"),
    ];
    let shown = all.into_iter().filter(|(number, severity, _)| *number > 0 || *severity != Severity::Unknown);
    let each = shown.map(|(number, severity, name)| {
        let color = if number == 0 { "lightgrey" } else { color(severity) };
        format!(
            "<img alt=\"{name}: {number}\" src=\"{}\"/>",
            badge(&format!("{}: {number}", name.get(..1).unwrap_or_default().to_uppercase()), color)
        )
    });
    each.collect::<Vec<_>>().join(" ")
}

fn badge(text: &str, color: &str) -> String {
    let mut path = String::new();
    for byte in text.bytes() {
        match byte {
            b'-' => path.push_str("--"),
            b'_' => path.push_str("__"),
            b' ' => path.push('_'),
            byte if byte.is_ascii_alphanumeric() || byte == b'.' => path.push(char::from(byte)),
            byte => {
                let _ = write!(path, "%{byte:02X}");
            }
        }
    }
    format!("https://img.shields.io/badge/{path}-{color}")
}

/// What comes from outside is text and never markup.
fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}
