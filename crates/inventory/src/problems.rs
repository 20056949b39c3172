//! Collecting problems without letting the content decide how many.

use crate::model::Problem;

/// A bounded list of [`Problem`]s.
#[derive(Debug)]
pub(crate) struct Problems {
    kept: Vec<Problem>,
    limit: usize,
    dropped: usize,
}

impl Problems {
    /// An empty list that keeps at most `limit` problems.
    pub(crate) fn new(limit: usize) -> Self {
        Self { kept: Vec::new(), limit, dropped: 0 }
    }

    /// Notes that something about `path` is wrong. Line breaks and control characters of `reason` are the
    /// caller's affair: reasons are ours, quoted content goes through `{:?}`.
    pub(crate) fn file(&mut self, path: &str, reason: impl Into<String>) {
        self.push(Some(path), None, reason.into());
    }

    /// Notes that line `line` (from 1) of `path` is wrong.
    pub(crate) fn line(&mut self, path: &str, line: usize, reason: impl Into<String>) {
        self.push(Some(path), Some(format!("line {line}")), reason.into());
    }

    /// Notes that byte `offset` of the uncompressed layer is wrong.
    pub(crate) fn byte(&mut self, path: Option<&str>, offset: u64, reason: impl Into<String>) {
        self.push(path, Some(format!("byte {offset}")), reason.into());
    }

    /// Notes something that belongs to no file.
    pub(crate) fn general(&mut self, reason: impl Into<String>) {
        self.push(None, None, reason.into());
    }

    fn push(&mut self, path: Option<&str>, position: Option<String>, reason: String) {
        if self.kept.len() >= self.limit {
            self.dropped += 1;
            return;
        }
        self.kept.push(Problem { layer: None, path: path.map(str::to_owned), position, reason });
    }

    /// The problems, all marked as belonging to `layer`, in the order found.
    pub(crate) fn finish(mut self, layer: Option<&str>) -> Vec<Problem> {
        if self.dropped > 0 {
            let reason = format!("{} more problems were found and are not listed", self.dropped);
            self.kept.push(Problem { layer: None, path: None, position: None, reason });
        }
        for problem in &mut self.kept {
            problem.layer = layer.map(str::to_owned);
        }
        self.kept
    }
}
