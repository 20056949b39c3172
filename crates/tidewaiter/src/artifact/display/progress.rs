//! Progress on a terminal: what moves, how fast, and what was there already. Two lines each, as ORAS has them.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::fmt;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use anstream::{AutoStream, ColorChoice};
use anstyle::{AnsiColor, Style};
use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressState, ProgressStyle};
use tidewaiter_oci::{Descriptor, Digest};

use crate::artifact::display::line::one_line;
use crate::artifact::display::row::{Row, Stage};
use crate::artifact::display::status::TITLE;

/// Times a second that the terminal is drawn.
const FRAMES: u8 = 5;

/// Columns of a terminal that does not tell.
const USUAL_WIDTH: u16 = 80;

/// Cells of the mark at the beginning of a row, which is drawn by the bar.
const MARK: usize = 2;

const MOVING: &str = "{spinner:.yellow} {row}\n  └─ {prefix}";
const DONE: &str = "{spinner:.green} {row}\n  └─ {prefix}";
const FAILED: &str = "{spinner:.red} {row}\n  └─ {prefix}";

/// Bars for content that moves.
pub(crate) struct Progress {
    all: MultiProgress,
    bars: Mutex<HashMap<Digest, Bar>>,
}

struct Bar {
    bar: ProgressBar,
    label: String,
}

impl Progress {
    pub(crate) fn new() -> Self {
        let all = MultiProgress::with_draw_target(ProgressDrawTarget::stderr_with_hz(FRAMES));
        Self { all, bars: Mutex::default() }
    }

    /// Shows content in another way; the first time that makes its bar. A bar without its style would show for a
    /// moment what bars look like that nobody styled.
    fn show(
        &self,
        descriptor: &Descriptor,
        label: String,
        style: impl FnOnce(&str, Duration) -> ProgressStyle,
    ) -> ProgressBar {
        let mut bars = self.bars.lock().unwrap_or_else(PoisonError::into_inner);
        match bars.entry(descriptor.digest.clone()) {
            Entry::Occupied(mut there) => {
                let there = there.get_mut();
                there.bar.set_style(style(&label, there.bar.elapsed()));
                there.label = label;
                there.bar.clone()
            }
            Entry::Vacant(free) => {
                let bar = ProgressBar::new(descriptor.size)
                    .with_style(style(&label, Duration::ZERO))
                    .with_prefix(descriptor.digest.to_string());
                let bar = self.all.add(bar);
                free.insert(Bar { bar: bar.clone(), label });
                bar
            }
        }
    }

    /// Content begins to move.
    pub(crate) fn start(&self, descriptor: &Descriptor, word: &str) {
        let bar = self.show(descriptor, label(descriptor, word), |label, _| {
            style(MOVING, "⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏", label, Stage::Moving, None)
        });
        bar.enable_steady_tick(Duration::from_millis(1000 / u64::from(FRAMES)));
    }

    /// So many of its bytes have moved.
    pub(crate) fn moved(&self, descriptor: &Descriptor, count: u64) {
        let bars = self.bars.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(there) = bars.get(&descriptor.digest) {
            there.bar.set_position(count);
        }
    }

    /// It is where it should be. Content ends once.
    pub(crate) fn end(&self, descriptor: &Descriptor, word: &str) {
        if self.has_ended(descriptor) {
            return;
        }
        let bar = self.show(descriptor, label(descriptor, word), |label, took| {
            style(DONE, "✓✓", label, Stage::Done, Some(took))
        });
        bar.set_position(descriptor.size);
        bar.finish();
    }

    fn has_ended(&self, descriptor: &Descriptor) -> bool {
        let bars = self.bars.lock().unwrap_or_else(PoisonError::into_inner);
        bars.get(&descriptor.digest).is_some_and(|there| there.bar.is_finished())
    }

    /// What still moves has failed.
    pub(crate) fn finish(&self) {
        let bars = self.bars.lock().unwrap_or_else(PoisonError::into_inner);
        for Bar { bar, label } in bars.values().filter(|there| !there.bar.is_finished()) {
            bar.set_style(style(FAILED, "✗✗", label, Stage::Moving, Some(bar.elapsed())));
            bar.abandon();
        }
    }
}

/// A command that was given up says nothing of its bars itself.
impl Drop for Progress {
    fn drop(&mut self) {
        self.finish();
    }
}

/// The verb and the name. Verbs are padded to one width, which is kept.
fn label(descriptor: &Descriptor, word: &str) -> String {
    format!("{word} {}", one_line(descriptor.annotation(TITLE).unwrap_or(&descriptor.media_type)))
}

/// `took` is how long it took, of what is not under way any more.
fn style(template: &str, ticks: &str, label: &str, stage: Stage, took: Option<Duration>) -> ProgressStyle {
    let label = label.to_owned();
    let fill = match AutoStream::choice(&std::io::stderr()) {
        ColorChoice::Never => None,
        _ => Some(Style::new().bg_color(Some(AnsiColor::BrightBlue.into()))),
    };
    let draw = move |state: &ProgressState, to: &mut dyn fmt::Write| {
        let row = Row {
            label: &label,
            stage,
            moved: state.pos(),
            total: state.len().unwrap_or_default(),
            speed: state.per_sec(),
            elapsed: took.unwrap_or_else(|| state.elapsed()),
            fill,
        };
        // Writing into memory does not fail.
        let _ = to.write_str(&row.draw(width().saturating_sub(MARK)));
    };
    let style = ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar());
    style.with_key("row", draw).tick_chars(ticks)
}

fn width() -> usize {
    let size = rustix::termios::tcgetwinsize(std::io::stderr());
    size.map_or(USUAL_WIDTH, |size| size.ws_col).into()
}
