//! Runs the fault proxy by hand and in benchmarks, until it is interrupted; then says what came through.

use std::fs;
use std::io::{self, Write as _};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use clap::Parser;
use tidewaiter_testkit::{FaultProxy, Plan, Rule};
use tokio::signal::unix::{SignalKind, signal};

/// A proxy for plain HTTP that delays, fails by plan, and counts requests. Ends on Ctrl-C or SIGTERM.
#[derive(Parser)]
struct Arguments {
    /// Where to listen.
    #[arg(long, default_value = "127.0.0.1:0")]
    listen: SocketAddr,
    /// The server behind it.
    #[arg(long)]
    upstream: SocketAddr,
    /// Latency to add, in milliseconds, there and back together.
    #[arg(long, default_value_t = 0)]
    round_trip: u64,
    /// What making a connection costs beside that, in milliseconds.
    #[arg(long, default_value_t = 0)]
    handshake: u64,
    /// What goes wrong with which requests: `every=7,status=429,retry-after=1`, `seed=1,one-in=9,half-body`, …
    /// Which: every=K, nth=N, seed=S with one-in=K, method=M, class=C, at-most=N. What: status=CODE,
    /// cut-request=BYTES, cut-response=BYTES, half-body.
    #[arg(long = "rule")]
    rules: Vec<Rule>,
    /// File for the counts, one `method class number` a line; standard output without it.
    #[arg(long)]
    counts: Option<PathBuf>,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> io::Result<()> {
    let arguments = Arguments::parse();
    let plan = Plan::new()
        .round_trip(Duration::from_millis(arguments.round_trip))
        .handshake(Duration::from_millis(arguments.handshake));
    let plan = arguments.rules.into_iter().fold(plan, Plan::rule);
    let mut terminate = signal(SignalKind::terminate())?;
    let proxy = FaultProxy::start_at(arguments.listen, arguments.upstream, plan);
    writeln!(io::stdout(), "listening on {}", proxy.address())?;
    tokio::select! {
        _ = terminate.recv() => {}
        interrupted = tokio::signal::ctrl_c() => interrupted?,
    }
    let mut report = String::new();
    for ((method, class), number) in proxy.counts() {
        report += &format!("{method:7} {class:9} {number}\n");
    }
    report += &format!("connections {}\n", proxy.connections());
    match arguments.counts {
        Some(path) => fs::write(path, report),
        None => io::stdout().write_all(report.as_bytes()),
    }
}
