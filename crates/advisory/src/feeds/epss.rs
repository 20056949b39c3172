//! FIRST's exploit prediction scores: CSV with a comment line that dates them.

use std::io::{BufRead, Read};
use std::path::Path;

use super::{Item, Origin, Receiver, SourceKind, cannot_read};
use crate::Error;

/// The longest line that is read; real ones have 40 characters.
const MAX_LINE: u64 = 4096;
/// The most scores that are read; there are about 300,000 CVEs.
const MAX_ROWS: u64 = 16 << 20;

/// One line: how likely it is that the vulnerability is exploited within 30 days.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Row<'a> {
    pub(crate) cve: &'a str,
    /// Probability, 0 to 1.
    pub(crate) score: f64,
    /// Share of all vulnerabilities with this score or less, 0 to 1.
    pub(crate) percentile: f64,
}

/// Whether a file that begins like this holds EPSS scores.
pub(super) fn is_start(start: &[u8]) -> bool {
    start.starts_with(b"#model_version") || start.starts_with(b"cve,epss")
}

/// Reads all lines and hands on every score.
pub(super) fn read(
    path: &Path,
    name: &str,
    mut reader: impl BufRead,
    receive: &mut Receiver<'_>,
) -> Result<(), Error> {
    let origin = Origin { source: name, kind: SourceKind::Epss };
    let mut line = String::new();
    let mut number = 0;
    let mut columns = None;
    while {
        line.clear();
        reader.by_ref().take(MAX_LINE).read_line(&mut line).map_err(|source| cannot_read(path, source))? > 0
    } {
        number += 1;
        let bad = |reason: &str| Error::BadInput {
            path: path.to_owned(),
            reason: format!("line {number} {reason}"),
        };
        if number > MAX_ROWS {
            return Err(bad("is beyond the most that is read"));
        }
        let text = line.trim_end();
        if let Some(comment) = text.strip_prefix('#') {
            receive(origin, Item::EpssDate(score_date(comment)))?;
        } else if let Some(columns) = &columns {
            let row = parse_row(text, columns).ok_or_else(|| bad("is not `cve,epss,percentile`"))?;
            receive(origin, Item::Epss(row))?;
        } else {
            columns = Some(
                Columns::of(text).ok_or_else(|| bad("does not name the columns cve, epss, percentile"))?,
            );
        }
    }
    Ok(())
}

/// Where the columns are.
struct Columns {
    cve: usize,
    score: usize,
    percentile: usize,
}

impl Columns {
    fn of(header: &str) -> Option<Self> {
        let column = |name| header.split(',').position(|column| column == name);
        Some(Self { cve: column("cve")?, score: column("epss")?, percentile: column("percentile")? })
    }
}

fn parse_row<'a>(line: &'a str, columns: &Columns) -> Option<Row<'a>> {
    let field = |index| line.split(',').nth(index);
    let share = |index| field(index)?.parse::<f64>().ok().filter(|share| (0.0..=1.0).contains(share));
    Some(Row {
        cve: field(columns.cve)?,
        score: share(columns.score)?,
        percentile: share(columns.percentile)?,
    })
}

/// Finds the date in `model_version:v2021.04.14,score_date:2021-08-31T00:00:00+0000`.
fn score_date(comment: &str) -> Option<jiff::Timestamp> {
    let date = comment.split(',').find_map(|part| part.trim().strip_prefix("score_date:"))?;
    jiff::fmt::strtime::parse("%Y-%m-%dT%H:%M:%S%z", date)
        .and_then(|parsed| parsed.to_timestamp())
        .or_else(|_| date.parse::<jiff::Timestamp>())
        .ok()
}
