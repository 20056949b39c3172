//! The plan in force and the record of what went through.

use std::sync::{Mutex, MutexGuard};
use std::time::Duration;

use super::plan::{Fault, PathClass, Plan};

/// One request that came through the proxy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// Its method.
    pub method: String,
    /// Its path and query.
    pub target: String,
    /// What it is about.
    pub class: PathClass,
    /// What was done to it.
    pub fault: Option<Fault>,
    /// The status of its response; none when there was none, or not yet.
    pub status: Option<u16>,
}

/// Shared by all connections.
pub(super) struct Ledger(Mutex<State>);

struct State {
    plan: Plan,
    records: Vec<Record>,
    connections: u64,
    /// How many records were taken away: entries keep their numbers across that.
    taken: usize,
}

impl Ledger {
    pub(super) fn new(plan: Plan) -> Self {
        Self(Mutex::new(State { plan, records: Vec::new(), connections: 0, taken: 0 }))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().expect("no holder of the lock panics")
    }

    pub(super) fn set_plan(&self, plan: Plan) {
        self.state().plan = plan;
    }

    pub(super) fn connected(&self) {
        self.state().connections += 1;
    }

    pub(super) fn connections(&self) -> u64 {
        self.state().connections
    }

    pub(super) fn records(&self) -> Vec<Record> {
        self.state().records.clone()
    }

    pub(super) fn take(&self) -> Vec<Record> {
        let mut state = self.state();
        state.taken += state.records.len();
        std::mem::take(&mut state.records)
    }

    /// Round trip and handshake.
    pub(super) fn latency(&self) -> (Duration, Duration) {
        let state = self.state();
        (state.plan.round_trip, state.plan.handshake)
    }

    /// Notes a request and decides what happens to it.
    pub(super) fn record(&self, method: &str, target: &str) -> (usize, Option<Fault>) {
        let class = PathClass::of(target);
        let mut state = self.state();
        let fault = state.plan.decide(method, class);
        let status = match fault {
            Some(Fault::Answer { status, .. }) => Some(status),
            _ => None,
        };
        let record = Record { method: method.to_owned(), target: target.to_owned(), class, fault, status };
        state.records.push(record);
        (state.taken + state.records.len() - 1, fault)
    }

    /// Notes the status of a response.
    pub(super) fn status(&self, entry: usize, status: u16) {
        let mut state = self.state();
        let place = entry.checked_sub(state.taken);
        if let Some(record) = place.and_then(|place| state.records.get_mut(place)) {
            record.status = Some(status);
        }
    }
}
