//! A proxy on loopback between a client and a server, both plain HTTP/1.1, that models a long line and a bad day.
//!
//! It delays without limiting bandwidth, cuts connections, answers 429 and 500, ends bodies in the middle, all
//! at points that its [`Plan`] fixes, and records every request. It changes nothing it passes on; the `Host`
//! field stays the proxy's own address, so that servers which answer with absolute locations lead back to it.

mod connection;
mod http;
mod ledger;
mod line;
mod plan;

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::sync::Arc;
use std::thread::JoinHandle;

use tokio::sync::oneshot;

use ledger::Ledger;
pub use ledger::Record;
pub use plan::{Fault, PathClass, Plan, Rule, When};

/// A running proxy. It ends, with all its connections, when dropped.
pub struct FaultProxy {
    address: SocketAddr,
    ledger: Arc<Ledger>,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl FaultProxy {
    /// Starts one on a free port of loopback. It has its own thread, so that tests with and without async may
    /// use it.
    ///
    /// # Panics
    /// When the machine has no port or thread to give.
    #[must_use]
    pub fn start(upstream: SocketAddr, plan: Plan) -> Self {
        Self::start_at(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)), upstream, plan)
    }

    /// Starts one on a given address.
    ///
    /// # Panics
    /// When the address is in use.
    #[must_use]
    pub fn start_at(listen: SocketAddr, upstream: SocketAddr, plan: Plan) -> Self {
        let listener =
            TcpListener::bind(listen).unwrap_or_else(|error| panic!("listening on {listen}: {error}"));
        listener.set_nonblocking(true).expect("a listener can be made non-blocking");
        let address = listener.local_addr().expect("a listener has an address");
        let ledger = Arc::new(Ledger::new(plan));
        let (stop, stopped) = oneshot::channel();
        let shared = Arc::clone(&ledger);
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let runtime = runtime.expect("a runtime for the proxy");
        let thread = std::thread::spawn(move || {
            runtime.block_on(async {
                tokio::select! {
                    () = accept(listener, upstream, shared) => {}
                    _ = stopped => {}
                }
            });
        });
        Self { address, ledger, stop: Some(stop), thread: Some(thread) }
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Its address as a registry's name: `127.0.0.1:40001`.
    #[must_use]
    pub fn host(&self) -> String {
        self.address.to_string()
    }

    /// Replaces the plan for requests that come from now on, and latency for connections made from now on.
    pub fn set_plan(&self, plan: Plan) {
        self.ledger.set_plan(plan);
    }

    /// Every request so far, in order of arrival.
    #[must_use]
    pub fn records(&self) -> Vec<Record> {
        self.ledger.records()
    }

    /// Every request since the last call of this.
    #[must_use]
    pub fn take_records(&self) -> Vec<Record> {
        self.ledger.take()
    }

    /// How many connections clients have made.
    #[must_use]
    pub fn connections(&self) -> u64 {
        self.ledger.connections()
    }

    /// How many requests there were, by method and class.
    #[must_use]
    pub fn counts(&self) -> BTreeMap<(String, PathClass), usize> {
        let mut counts = BTreeMap::new();
        for record in self.ledger.records() {
            *counts.entry((record.method, record.class)).or_default() += 1;
        }
        counts
    }

    /// How many requests of a method and class there were.
    #[must_use]
    pub fn count(&self, method: &str, class: PathClass) -> usize {
        let records = self.ledger.records();
        records.iter().filter(|record| record.method == method && record.class == class).count()
    }
}

impl Drop for FaultProxy {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

async fn accept(listener: TcpListener, upstream: SocketAddr, ledger: Arc<Ledger>) {
    let listener = tokio::net::TcpListener::from_std(listener).expect("inside a runtime");
    loop {
        // What fails here is one client's connection, or descriptors have run out for a moment.
        if let Ok((client, _)) = listener.accept().await {
            ledger.connected();
            tokio::spawn(connection::serve(client, upstream, Arc::clone(&ledger)));
        }
    }
}
