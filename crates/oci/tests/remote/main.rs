//! The remote half against servers that misbehave in ways real ones do: challenges, redirects, half answers,
//! cut connections, lost updates.

mod ahead;
mod answers;
mod auth;
mod downloads;
mod lists;
mod server;
mod tags;
mod tls;
mod uploads;
