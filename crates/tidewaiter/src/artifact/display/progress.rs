//! Progress on a terminal: what moves, how fast, and what was there already.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};
use tidewaiter_oci::{Descriptor, Digest};

use crate::artifact::display::line::one_line;
use crate::artifact::display::status::TITLE;

/// Times a second that the terminal is drawn.
const FRAMES: u8 = 5;

const MOVING: &str = "{spinner:.yellow} [{bar:20.on_bright_blue}]({bytes_per_sec:>12}) {wide_msg} \
                      {bytes:>10}/{total_bytes:10} {percent_precise:>7}% {elapsed:>5}\n  └─ {prefix}";
const DONE: &str = "{spinner:.green} {wide_msg} {bytes:>10}/{total_bytes:10} {percent_precise:>7}% {elapsed:>5}\n  └─ {prefix}";

/// Bars for content that moves.
pub(crate) struct Progress {
    all: MultiProgress,
    bars: Mutex<HashMap<Digest, ProgressBar>>,
}

impl Progress {
    pub(crate) fn new() -> Self {
        let all = MultiProgress::with_draw_target(ProgressDrawTarget::stderr_with_hz(FRAMES));
        Self { all, bars: Mutex::default() }
    }

    /// A bar for content; the same one when it has one already.
    fn bar(&self, descriptor: &Descriptor) -> ProgressBar {
        let mut bars = self.bars.lock().unwrap_or_else(PoisonError::into_inner);
        let bar = bars.entry(descriptor.digest.clone()).or_insert_with(|| {
            let bar = self.all.add(ProgressBar::new(descriptor.size));
            bar.set_prefix(descriptor.digest.to_string());
            bar
        });
        bar.clone()
    }

    /// Content begins to move.
    pub(crate) fn start(&self, descriptor: &Descriptor, word: &str) {
        let bar = self.bar(descriptor);
        bar.set_style(style(MOVING, "⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏"));
        bar.set_message(named(descriptor, word));
        bar.enable_steady_tick(Duration::from_millis(1000 / u64::from(FRAMES)));
    }

    /// So many of its bytes have moved.
    pub(crate) fn moved(&self, descriptor: &Descriptor, count: u64) {
        self.bar(descriptor).set_position(count);
    }

    /// It is where it should be.
    pub(crate) fn end(&self, descriptor: &Descriptor, word: &str) {
        let bar = self.bar(descriptor);
        bar.set_style(style(DONE, "✓✓"));
        bar.set_message(named(descriptor, word));
        bar.set_position(descriptor.size);
        bar.finish();
    }

    /// What still moves has failed.
    pub(crate) fn finish(&self) {
        let bars = self.bars.lock().unwrap_or_else(PoisonError::into_inner);
        for bar in bars.values().filter(|bar| !bar.is_finished()) {
            bar.set_style(style(DONE, "✗✗"));
            bar.abandon();
        }
    }
}

fn named(descriptor: &Descriptor, word: &str) -> String {
    format!("{word} {}", one_line(descriptor.annotation(TITLE).unwrap_or(&descriptor.media_type)))
}

fn style(template: &str, ticks: &str) -> ProgressStyle {
    let style = ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar());
    style.tick_chars(ticks).progress_chars("  .")
}
