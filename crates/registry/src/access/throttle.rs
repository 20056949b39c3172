//! Slows down those who guess passwords.
//!
//! Every attempt to log in takes one from an allowance, and a successful one gives it back. There is an allowance
//! for each address, and a smaller one for each pair of address and user name; both refill with time. Locking
//! user names as such is left out: it would let anybody lock anybody out.

use std::collections::HashMap;
use std::hash::{BuildHasher as _, RandomState};
use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Failures in a row for one user name from one address.
const PER_NAME: u32 = 10;
/// Failures in a row from one address.
const PER_ADDRESS: u32 = 60;
/// How long it takes until one more attempt is allowed.
const REFILL_NAME: Duration = Duration::from_secs(6);
const REFILL_ADDRESS: Duration = Duration::from_secs(1);
/// Allowances remembered; the fullest are forgotten first.
const MAX_KNOWN: usize = 20_000;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Key {
    Address(IpAddr),
    /// The name only as a hash: it comes from outside and may be long.
    Name(IpAddr, u64),
}

impl Key {
    fn limits(self) -> (u32, Duration) {
        match self {
            Self::Address(_) => (PER_ADDRESS, REFILL_ADDRESS),
            Self::Name(..) => (PER_NAME, REFILL_NAME),
        }
    }

    /// How much later than now an allowance may be full again without being used up.
    fn slack(self) -> Duration {
        let (count, refill) = self.limits();
        refill * (count - 1)
    }
}

/// Who failed how often of late.
#[derive(Debug, Default)]
pub(crate) struct Throttle {
    hasher: RandomState,
    /// When each allowance is full again; those that are full are not kept.
    full_at: Mutex<HashMap<Key, Instant>>,
}

/// An attempt that took from the allowances.
#[derive(Debug)]
#[must_use]
pub(crate) struct Attempt([Key; 2]);

impl Throttle {
    /// Begins an attempt; an error says how long to wait instead.
    pub(crate) fn begin(&self, address: IpAddr, name: &str, now: Instant) -> Result<Attempt, Duration> {
        let address = network(address);
        let keys = [Key::Address(address), Key::Name(address, self.hasher.hash_one(name))];
        let mut full_at = self.full_at.lock().unwrap_or_else(PoisonError::into_inner);
        for key in keys {
            let ahead = full_at.get(&key).map_or(Duration::ZERO, |at| at.saturating_duration_since(now));
            if let Some(wait) = ahead.checked_sub(key.slack()).filter(|wait| !wait.is_zero()) {
                return Err(wait);
            }
        }
        if full_at.len() + keys.len() > MAX_KNOWN {
            forget(&mut full_at, now);
        }
        for key in keys {
            let at = full_at.entry(key).or_insert(now);
            *at = (*at).max(now) + key.limits().1;
        }
        Ok(Attempt(keys))
    }

    /// Gives back what a successful attempt took.
    pub(crate) fn succeeded(&self, attempt: Attempt) {
        let mut full_at = self.full_at.lock().unwrap_or_else(PoisonError::into_inner);
        for key in attempt.0 {
            if let Some(at) = full_at.get_mut(&key) {
                *at = at.checked_sub(key.limits().1).unwrap_or(*at);
            }
        }
    }
}

/// One customer of an internet provider has a whole /64 of version 6 addresses.
fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => IpAddr::V6((u128::from(address) >> 64 << 64).into()),
        address => address,
    }
}

/// Makes room: first what has refilled, then the half that is nearest to it.
fn forget(full_at: &mut HashMap<Key, Instant>, now: Instant) {
    full_at.retain(|_, at| *at > now);
    if full_at.len() > MAX_KNOWN / 2 {
        let mut times: Vec<_> = full_at.values().copied().collect();
        let middle = times.len() / 2;
        let (_, &mut median, _) = times.select_nth_unstable(middle);
        full_at.retain(|_, at| *at > median);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(last: u8) -> IpAddr {
        IpAddr::from([192, 0, 2, last])
    }

    #[test]
    fn guessing_one_name_is_stopped_and_others_are_not() {
        let (throttle, now) = (Throttle::default(), Instant::now());
        for _ in 0..PER_NAME {
            let _ = throttle.begin(address(1), "alice", now).expect("allowed");
        }
        let wait = throttle.begin(address(1), "alice", now).expect_err("stopped");
        assert_eq!(wait, REFILL_NAME);
        let _ = throttle.begin(address(1), "bob", now).expect("another name");
        let _ = throttle.begin(address(2), "alice", now).expect("another address");
        let _ = throttle.begin(address(1), "alice", now + REFILL_NAME).expect("later");
        throttle.begin(address(1), "alice", now + REFILL_NAME).expect_err("only one more");
    }

    #[test]
    fn guessing_many_names_is_stopped() {
        let (throttle, now) = (Throttle::default(), Instant::now());
        for name in 0..PER_ADDRESS {
            let _ = throttle.begin(address(1), &name.to_string(), now).expect("allowed");
        }
        throttle.begin(address(1), "fresh", now).expect_err("stopped");
    }

    #[test]
    fn successes_cost_nothing() {
        let (throttle, now) = (Throttle::default(), Instant::now());
        for _ in 0..10 * PER_ADDRESS {
            let attempt = throttle.begin(address(1), "alice", now).expect("allowed");
            throttle.succeeded(attempt);
        }
    }

    #[test]
    fn neighbours_of_version_6_are_one() {
        let same = |text: &str| network(text.parse().expect("an address"));
        assert_eq!(same("2001:db8::1"), same("2001:db8::ffff:1"));
        assert_ne!(same("2001:db8::1"), same("2001:db8:0:1::1"));
        assert_eq!(same("::ffff:192.0.2.1"), address(1));
    }

    #[test]
    fn memory_stays_bounded() {
        let (throttle, now) = (Throttle::default(), Instant::now());
        for number in 0..3 * u32::try_from(MAX_KNOWN).expect("small") {
            let address = IpAddr::from(number.to_be_bytes());
            let _ = throttle.begin(address, "alice", now).expect("allowed");
        }
        assert!(throttle.full_at.lock().expect("not poisoned").len() <= MAX_KNOWN);
    }
}
