//! News between tasks and, on PostgreSQL, between processes: "something of this topic has changed".
//!
//! A topic carries no content: whoever hears of it looks into the database. News of a transaction is told
//! after its commit. Subscribers of one process hear each other's commits at once; other processes hear
//! them through `LISTEN` and `NOTIFY` on PostgreSQL, and have to look now and then on SQLite, which
//! [`Wake::wait`] does by its time limit.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::watch;

/// The one PostgreSQL channel; the topic is the payload.
pub(crate) const CHANNEL: &str = "tidewaiter";

/// Who waits for what.
#[derive(Clone, Default)]
pub(crate) struct Topics(Arc<Mutex<HashMap<String, watch::Sender<()>>>>);

impl Topics {
    pub(crate) fn subscribe(&self, topic: &str) -> Wake {
        let mut topics = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let sender = topics.entry(topic.to_owned()).or_insert_with(|| watch::channel(()).0);
        Wake { receiver: sender.subscribe() }
    }

    pub(crate) fn tell(&self, topic: &str) {
        let topics = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(sender) = topics.get(topic) {
            sender.send_replace(());
        }
    }

    /// After a time of deafness: everybody looks.
    pub(crate) fn tell_all(&self) {
        let topics = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        for sender in topics.values() {
            sender.send_replace(());
        }
    }
}

/// A subscription to a topic. News that comes while nobody waits is kept: subscribe, look, wait, look again,
/// and nothing is missed.
#[derive(Debug, Clone)]
pub struct Wake {
    receiver: watch::Receiver<()>,
}

impl Wake {
    /// Waits for news since the last wait, but at most `limit`.
    pub async fn wait(&mut self, limit: Duration) {
        // An error means that the database is closed: nothing will come, and the limit paces the caller.
        let news = async {
            if self.receiver.changed().await.is_err() {
                std::future::pending::<()>().await;
            }
        };
        let _ = tokio::time::timeout(limit, news).await;
    }
}
