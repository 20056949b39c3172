//! When a request is sent again, and how long to wait before it is.
//!
//! Answers 408, 429 and 5xx and broken connections are tried again, with waits that double and jitter. What
//! `Retry-After` asks for is waited whole, as long as the operation's budget allows.

use std::time::Duration;

use http::{HeaderMap, StatusCode};
use jiff::fmt::rfc2822;

use crate::remote::settings::RetrySettings;

/// Trying again may help.
pub(super) fn is_transient(status: StatusCode) -> bool {
    matches!(status.as_u16(), 408 | 429 | 500 | 502..=599)
}

/// What `Retry-After` asks for: seconds, or a date, which is read against the answer's own `Date` so that no
/// clock but the server's matters.
pub(super) fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let text = headers.get(http::header::RETRY_AFTER)?.to_str().ok()?.trim();
    if let Ok(seconds) = text.parse() {
        return Some(Duration::from_secs(seconds));
    }
    let now = headers.get(http::header::DATE)?.to_str().ok()?;
    let until = rfc2822::parse(text).ok()?.timestamp();
    let now = rfc2822::parse(now).ok()?.timestamp();
    Some(until.duration_since(now).try_into().unwrap_or(Duration::ZERO))
}

/// Counts the tries of one operation.
#[derive(Debug)]
pub(super) struct Pacing {
    settings: RetrySettings,
    retries: u32,
    waited: Duration,
}

impl Pacing {
    pub(super) fn new(settings: &RetrySettings) -> Self {
        Self { settings: settings.clone(), retries: 0, waited: Duration::ZERO }
    }

    /// How long to wait before the next try, and which one it is; `None` to give up.
    pub(super) fn next(&mut self, asked: Option<Duration>) -> Option<(Duration, u32)> {
        if self.retries >= self.settings.retries {
            return None;
        }
        let doubled = self.settings.base.saturating_mul(1 << self.retries.min(20));
        let jitter = 0.9 + 0.2 * rand::random::<f64>();
        let own = doubled.min(self.settings.longest).mul_f64(jitter);
        let delay = asked.map_or(own, |asked| asked.max(own));
        if self.waited.saturating_add(delay) > self.settings.budget {
            return None;
        }
        self.retries += 1;
        self.waited += delay;
        Some((delay, self.retries))
    }

    /// How often it was tried again.
    pub(super) fn retries(&self) -> u32 {
        self.retries
    }

    /// The most that is waited, when the registry asked for more.
    pub(super) fn exceeded(&self, asked: Option<Duration>) -> Option<Duration> {
        let budget = self.settings.budget;
        asked.filter(|asked| self.waited.saturating_add(*asked) > budget).map(|_| budget)
    }

    /// Bytes moved: earlier failures no longer count.
    pub(super) fn progressed(&mut self) {
        self.retries = 0;
        self.waited = Duration::ZERO;
    }
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    #[test]
    fn waits_double_up_to_the_longest_and_end() {
        let settings = RetrySettings { retries: 8, ..RetrySettings::default() };
        let mut pacing = Pacing::new(&settings);
        let waits: Vec<f64> =
            std::iter::from_fn(|| pacing.next(None)).map(|(delay, _)| delay.as_secs_f64()).collect();
        let expected = [0.25, 0.5, 1.0, 2.0, 4.0, 8.0, 8.0, 8.0];
        assert_eq!(waits.len(), expected.len());
        for (wait, expected) in waits.iter().zip(expected) {
            assert!((wait / expected - 1.0).abs() <= 0.11, "{wait} is not about {expected}");
        }
    }

    #[test]
    fn what_the_registry_asks_for_is_waited_whole_or_not_at_all() {
        let settings = RetrySettings { budget: Duration::from_secs(100), ..RetrySettings::default() };
        let mut pacing = Pacing::new(&settings);
        assert_eq!(pacing.next(Some(Duration::from_secs(60))), Some((Duration::from_secs(60), 1)));
        assert_eq!(pacing.next(Some(Duration::from_secs(60))), None);
    }

    #[test]
    fn retry_after_is_read_in_both_forms() {
        let check = |retry_after_value: &'static str, expected: Option<u64>| {
            let mut headers = HeaderMap::new();
            headers.insert("date", HeaderValue::from_static("Wed, 21 Oct 2015 07:28:00 GMT"));
            headers.insert("retry-after", HeaderValue::from_static(retry_after_value));
            assert_eq!(retry_after(&headers), expected.map(Duration::from_secs), "{retry_after_value}");
        };
        check("120", Some(120));
        check("Wed, 21 Oct 2015 07:29:30 GMT", Some(90));
        check("Wed, 21 Oct 2015 07:27:30 GMT", Some(0));
        check("soon", None);
    }
}
