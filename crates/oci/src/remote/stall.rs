//! Notices an upload that stands still, without a limit on how long a moving one may take.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

/// What an upload's body has given so far.
#[derive(Debug, Default)]
pub(super) struct Activity {
    pieces: AtomicU64,
    ended: AtomicBool,
}

impl Activity {
    /// A piece was taken.
    pub(super) fn moved(&self) {
        self.pieces.fetch_add(1, Ordering::Relaxed);
    }

    /// All was taken.
    pub(super) fn ended(&self) {
        self.ended.store(true, Ordering::Relaxed);
    }

    /// Returns, with what to say, when nothing moved for `stall`, or nothing was answered `answer` after the end.
    pub(super) async fn stalled(&self, stall: Duration, answer: Duration) -> String {
        let mut seen = None;
        loop {
            if self.ended.load(Ordering::Relaxed) {
                tokio::time::sleep(answer).await;
                return no_answer_within(answer);
            }
            let pieces = self.pieces.load(Ordering::Relaxed);
            if seen == Some(pieces) {
                return format!("nothing could be sent for {} seconds", stall.as_secs());
            }
            seen = Some(pieces);
            tokio::time::sleep(stall).await;
        }
    }
}

/// Says that no answer came.
pub(super) fn no_answer_within(time: Duration) -> String {
    format!("no answer came within {} seconds", time.as_secs())
}
