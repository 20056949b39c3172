//! Upload sessions: uploads that have begun and not ended, held by this process.
//!
//! Sessions live in memory, their bytes in staged files; both end with the process, and clients start again. A
//! session's name is a random number that only its client learns.

use std::collections::HashMap;
use std::ops::Deref;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tidewaiter_oci::RepositoryName;

use crate::blobs::Staged;
use crate::options::Clock;

/// All sessions.
#[derive(Debug)]
pub(crate) struct Uploads {
    limit: usize,
    clock: Clock,
    sessions: Mutex<HashMap<String, Arc<Session>>>,
}

/// An upload under way.
#[derive(Debug)]
pub(crate) struct Session {
    pub(crate) id: String,
    pub(crate) repository: RepositoryName,
    pub(crate) staged: Staged,
    usage: Mutex<Usage>,
}

/// What clients do with a session.
#[derive(Debug)]
struct Usage {
    /// Requests under way. A session that has any is not idle, however long they take.
    requests: usize,
    /// When a request last began or ended, in microseconds since 1970.
    touched: i64,
}

impl Session {
    fn usage(&self) -> MutexGuard<'_, Usage> {
        self.usage.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A session in the hands of a request.
#[derive(Debug)]
pub(crate) struct Used {
    session: Arc<Session>,
    clock: Clock,
}

impl Used {
    fn new(session: Arc<Session>, clock: &Clock) -> Self {
        let mut usage = session.usage();
        usage.requests += 1;
        usage.touched = clock.now();
        drop(usage);
        Self { session, clock: clock.clone() }
    }
}

impl Deref for Used {
    type Target = Session;

    fn deref(&self) -> &Session {
        &self.session
    }
}

impl Drop for Used {
    fn drop(&mut self) {
        let mut usage = self.session.usage();
        usage.requests -= 1;
        usage.touched = self.clock.now();
    }
}

impl Uploads {
    pub(crate) fn new(limit: usize, clock: Clock) -> Self {
        Self { limit, clock, sessions: Mutex::default() }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, Arc<Session>>> {
        self.sessions.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Begins a session. When there are too many, the one that has got nothing yet and has been idle for longest makes
    /// room; `None` when there is no such one.
    pub(crate) fn begin(&self, repository: &RepositoryName, staged: Staged) -> Option<Used> {
        let session = Arc::new(Session {
            id: format!("{:032x}", rand::random::<u128>()),
            repository: repository.clone(),
            staged,
            usage: Mutex::new(Usage { requests: 0, touched: self.clock.now() }),
        });
        let mut sessions = self.lock();
        let mut ended = None;
        if sessions.len() >= self.limit {
            let id = longest_unused(&sessions)?;
            ended = sessions.remove(&id);
        }
        sessions.insert(session.id.clone(), Arc::clone(&session));
        let used = Used::new(session, &self.clock);
        // Its file is removed after others can go on.
        drop(sessions);
        drop(ended);
        Some(used)
    }

    /// How many sessions there are.
    pub(crate) fn count(&self) -> usize {
        self.lock().len()
    }

    /// A session of a repository, for a request.
    pub(crate) fn find(&self, repository: &RepositoryName, id: &str) -> Option<Used> {
        // The use begins under the lock, so that a session is not found idle in between.
        let sessions = self.lock();
        let session = sessions.get(id).filter(|session| session.repository == *repository)?;
        Some(Used::new(Arc::clone(session), &self.clock))
    }

    /// The session has not ended.
    pub(crate) fn has(&self, id: &str) -> bool {
        self.lock().contains_key(id)
    }

    /// Ends a session. Its file goes with the last request that uses it.
    pub(crate) fn end(&self, id: &str) -> bool {
        self.lock().remove(id).is_some()
    }

    /// Ends sessions that nobody has used since a time. How many.
    pub(crate) fn end_idle(&self, since: i64) -> usize {
        let mut ended = Vec::new();
        self.lock().retain(|_, session| {
            let usage = session.usage();
            let idle = usage.requests == 0 && usage.touched < since;
            if idle {
                ended.push(Arc::clone(session));
            }
            !idle
        });
        ended.len()
    }
}

/// The session that nobody misses most: without a byte and without a request for the longest time.
fn longest_unused(sessions: &HashMap<String, Arc<Session>>) -> Option<String> {
    let unused = sessions.values().filter_map(|session| {
        let usage = session.usage();
        let unused = usage.requests == 0 && session.staged.is_untouched();
        unused.then_some((usage.touched, &session.id))
    });
    unused.min().map(|(_, id)| id.clone())
}
