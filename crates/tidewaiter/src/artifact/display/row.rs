//! The row that shows how far content has come: `[###.....]( 390 MB/s) Uploading big.bin  2.84/2.86 MB  99.40%   7ms`.

use std::time::Duration;

use anstyle::Style;

use crate::size;

/// Cells of a bar where there is room, and where there is little.
const BAR: usize = 20;
const SHORT_BAR: usize = 5;
/// Characters of a name that are shown at the least, before the row is longer than the terminal is wide.
const SHORT_LABEL: usize = 20;

/// Whether it moves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stage {
    Moving,
    Done,
}

/// What a row shows.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Row<'a> {
    /// The verb and the name.
    pub(crate) label: &'a str,
    pub(crate) stage: Stage,
    /// Bytes.
    pub(crate) moved: u64,
    /// Bytes.
    pub(crate) total: u64,
    /// Bytes a second.
    pub(crate) speed: f64,
    pub(crate) elapsed: Duration,
    /// How the filled cells of the bar are coloured; without colours they are signs.
    pub(crate) fill: Option<Style>,
}

impl Row<'_> {
    /// Draws it in so many cells. Where they are few the bar becomes shorter, then the speed goes, and then the
    /// middle of the name.
    pub(crate) fn draw(&self, width: usize) -> String {
        let right = self.numbers();
        let room = width.saturating_sub(right.chars().count());
        let wanted = self.label.chars().count();
        let left = match self.stage {
            Stage::Done => shortened(self.label, room),
            Stage::Moving => {
                let speed = format!("({:>7}/s)", size::bytes(self.speed.max(0.0) as u64));
                let around = "[]".len() + " ".len();
                let beside = room.saturating_sub(around + speed.len());
                if wanted + SHORT_BAR <= beside {
                    let cells = (beside - wanted).min(BAR);
                    format!("{}{speed} {}", self.bar(cells), self.label)
                } else {
                    let label = shortened(self.label, room.saturating_sub(around + SHORT_BAR));
                    format!("{} {label}", self.bar(SHORT_BAR))
                }
            }
        };
        let gap = room.saturating_sub(anstream::adapter::strip_str(&left).to_string().chars().count());
        format!("{left}{}{right}", " ".repeat(gap))
    }

    fn fraction(&self) -> f64 {
        match (self.stage, self.total) {
            (Stage::Done, _) | (_, 0) => 1.0,
            (Stage::Moving, total) => (self.moved as f64 / total as f64).min(1.0),
        }
    }

    fn bar(&self, cells: usize) -> String {
        let filled = (self.fraction() * cells as f64) as usize;
        let rest = ".".repeat(cells - filled);
        match self.fill {
            Some(style) => format!("[{style}{}{style:#}{rest}]", " ".repeat(filled)),
            None => format!("[{}{rest}]", "=".repeat(filled)),
        }
    }

    fn numbers(&self) -> String {
        let sizes = match self.stage {
            Stage::Done => size::all_of(self.total),
            Stage::Moving => size::part_of(self.moved, self.total),
        };
        format!(" {sizes} {:6.2}% {:>6}", self.fraction() * 100.0, size::duration(self.elapsed))
    }
}

/// A text in so many characters, without its middle where it has more.
fn shortened(text: &str, room: usize) -> String {
    let count = text.chars().count();
    let room = room.max(SHORT_LABEL);
    if count <= room {
        return text.to_owned();
    }
    let (front, back) = (room / 2, room - room / 2 - 1);
    let end: String = text.chars().skip(count - back).collect();
    format!("{}…{end}", text.chars().take(front).collect::<String>())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(label: &str, stage: Stage, width: usize, expected: &str) {
        let elapsed = Duration::from_millis(7);
        let row =
            Row { label, stage, moved: 2_980_000, total: 3_000_000, speed: 4.09e8, elapsed, fill: None };
        let drawn = row.draw(width);
        assert_eq!(drawn, expected);
        assert_eq!(drawn.chars().count(), width, "{drawn}");
    }

    #[test]
    fn rows_fit_the_terminal() {
        check(
            "Uploading big.bin",
            Stage::Moving,
            98,
            "[===================.]( 390 MB/s) Uploading big.bin                    2.84/2.86 MB  99.33%    7ms",
        );
        check(
            "Uploading big.bin",
            Stage::Moving,
            78,
            "[==================.]( 390 MB/s) Uploading big.bin 2.84/2.86 MB  99.33%    7ms",
        );
        check(
            "Downloading a-report-with-a-long-name.json",
            Stage::Moving,
            78,
            "[====.] Downloading a-report-with-a-long-name.json 2.84/2.86 MB  99.33%    7ms",
        );
        check(
            "Downloading application/vnd.oci.image.layer.v1.tar+gzip",
            Stage::Moving,
            78,
            "[====.] Downloading applicati…ge.layer.v1.tar+gzip 2.84/2.86 MB  99.33%    7ms",
        );
        check(
            "Uploaded  big.bin",
            Stage::Done,
            78,
            "Uploaded  big.bin                                  2.86/2.86 MB 100.00%    7ms",
        );
    }
}
