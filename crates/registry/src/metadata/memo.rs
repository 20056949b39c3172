//! Answers of the database that are remembered for as long as nothing is written to it.
//!
//! Only answers that found something: what is not there may be asked for under any number of names.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

/// Bytes of keys and answers that one memo holds, about.
const BUDGET: usize = 2 * 1024 * 1024;

/// What an entry costs besides its bytes: map slot, allocations, numbers.
const ENTRY_OVERHEAD: usize = 256;

/// Remembers answers of one kind.
#[derive(Debug)]
pub(super) struct Memo<T> {
    kept: Mutex<Kept<T>>,
}

#[derive(Debug)]
struct Kept<T> {
    /// The version of the database that the answers are of.
    version: u64,
    answers: HashMap<String, T>,
    weight: usize,
}

impl<T> Default for Memo<T> {
    fn default() -> Self {
        Self { kept: Mutex::new(Kept { version: 0, answers: HashMap::new(), weight: 0 }) }
    }
}

impl<T: Clone> Memo<T> {
    /// What was answered in this version of the database.
    pub(super) fn get(&self, version: u64, key: &str) -> Option<T> {
        let kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        (kept.version == version).then(|| kept.answers.get(key).cloned())?
    }

    /// Remembers an answer that was asked for when the database had this version, and holds so many bytes. One that is
    /// older than others here is forgotten at once.
    pub(super) fn insert(&self, version: u64, key: String, answer: T, size: usize) {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.version > version {
            return;
        }
        let weight = key.len() + size + ENTRY_OVERHEAD;
        if kept.version < version || kept.weight + weight > BUDGET {
            *kept = Kept { version, answers: HashMap::new(), weight: 0 };
        }
        if weight <= BUDGET / 8 && kept.answers.insert(key, answer).is_none() {
            kept.weight += weight;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_last_as_long_as_their_version_and_the_budget_holds() {
        let memo = Memo::default();
        memo.insert(2, "a".to_owned(), "two", 3);
        assert_eq!(memo.get(2, "a"), Some("two"));
        assert_eq!(memo.get(3, "a"), None);
        memo.insert(1, "b".to_owned(), "one", 3);
        assert_eq!(memo.get(1, "b"), None, "asked for before the others");
        memo.insert(3, "c".to_owned(), "three", 5);
        assert_eq!((memo.get(2, "a"), memo.get(3, "a"), memo.get(3, "c")), (None, None, Some("three")));
        memo.insert(3, "large".to_owned(), "large", BUDGET);
        assert_eq!(memo.get(3, "large"), None);
        for number in 0..100_000 {
            memo.insert(3, number.to_string(), "", 0);
            let kept = memo.kept.lock().expect("not poisoned");
            assert!(kept.weight <= BUDGET && kept.answers.len() * ENTRY_OVERHEAD <= BUDGET);
        }
        assert_eq!(memo.get(3, "99999"), Some(""));
    }
}
