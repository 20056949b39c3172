//! Upload sessions: uploads that have begun and not ended, held by this process.
//!
//! Sessions live in memory, their bytes in staged files; both end with the process, and clients start again. A
//! session's name is a random number that only its client learns.

use std::collections::HashMap;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use tidewaiter_oci::RepositoryName;

use crate::blobs::Staged;

/// All sessions.
#[derive(Debug)]
pub(crate) struct Uploads {
    limit: usize,
    sessions: Mutex<HashMap<String, Arc<Session>>>,
}

/// An upload under way.
#[derive(Debug)]
pub(crate) struct Session {
    pub(crate) id: String,
    pub(crate) repository: RepositoryName,
    pub(crate) staged: Staged,
    /// When a client last did something with it, in microseconds since 1970.
    touched: AtomicI64,
}

impl Uploads {
    pub(crate) fn new(limit: usize) -> Self {
        Self { limit, sessions: Mutex::default() }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<String, Arc<Session>>> {
        self.sessions.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Begins a session; `None` when there are too many.
    pub(crate) fn begin(
        &self,
        repository: &RepositoryName,
        staged: Staged,
        now: i64,
    ) -> Option<Arc<Session>> {
        let session = Arc::new(Session {
            id: format!("{:032x}", rand::random::<u128>()),
            repository: repository.clone(),
            staged,
            touched: AtomicI64::new(now),
        });
        let mut sessions = self.lock();
        if sessions.len() >= self.limit {
            return None;
        }
        sessions.insert(session.id.clone(), Arc::clone(&session));
        Some(session)
    }

    /// How many sessions there are.
    pub(crate) fn count(&self) -> usize {
        self.lock().len()
    }

    /// There is room for another session.
    pub(crate) fn has_room(&self) -> bool {
        self.count() < self.limit
    }

    /// A session of a repository.
    pub(crate) fn find(&self, repository: &RepositoryName, id: &str, now: i64) -> Option<Arc<Session>> {
        let session = self.lock().get(id).filter(|session| session.repository == *repository).cloned()?;
        session.touched.store(now, Ordering::Relaxed);
        Some(session)
    }

    /// Ends a session. Its file goes with the last request that uses it.
    pub(crate) fn end(&self, id: &str) -> bool {
        self.lock().remove(id).is_some()
    }

    /// Ends sessions that nobody has used since a time. How many.
    pub(crate) fn end_idle(&self, since: i64) -> usize {
        let mut ended = Vec::new();
        self.lock().retain(|_, session| {
            let idle = session.touched.load(Ordering::Relaxed) < since;
            if idle {
                ended.push(Arc::clone(session));
            }
            !idle
        });
        ended.len()
    }
}
