//! The end by signal: what is under way is given up in order, so that it can clear away what it began.

use std::process::ExitCode;
use std::time::Duration;

use futures_util::StreamExt as _;
use futures_util::stream::FuturesUnordered;
use tokio::signal::unix::{self, SignalKind};
use tokio::sync::mpsc;
use tokio::time::timeout;

use crate::environment;

/// How long the command may take to hear of a signal. It hears nothing while it waits for somebody who does not
/// read its standard output, and then has to be ended from here.
const HEARING: Duration = Duration::from_secs(2);

/// A signal that asks the program to end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Signal {
    /// The terminal went away.
    Hangup = 1,
    /// Control and C at the terminal.
    Interrupt = 2,
    /// Asked by another program.
    Terminate = 15,
}

impl Signal {
    const ALL: [Self; 3] = [Self::Hangup, Self::Interrupt, Self::Terminate];

    /// What the person at the terminal is told.
    pub(crate) fn message(self) -> &'static str {
        match self {
            Self::Hangup => "the terminal went away",
            Self::Interrupt => "interrupted",
            Self::Terminate => "terminated",
        }
    }

    /// What shells show for a program that the signal ended.
    pub(crate) fn exit_code(self) -> ExitCode {
        ExitCode::from(128 + self as u8)
    }

    fn kind(self) -> SignalKind {
        SignalKind::from_raw(self as i32)
    }
}

/// Hears the first signal. The second one ends the program at once.
pub(crate) struct Signals {
    first: Option<mpsc::Receiver<Signal>>,
}

impl Signals {
    /// Begins to listen, on a thread of its own: it must hear the second signal while everything else ends.
    pub(crate) fn listen() -> Self {
        // Without listeners signals end the program as they always do.
        Self { first: listen().ok() }
    }

    /// Waits for the first signal.
    pub(crate) async fn first(mut self) -> Signal {
        if let Some(first) = &mut self.first
            && let Some(signal) = first.recv().await
        {
            return signal;
        }
        std::future::pending().await
    }
}

fn listen() -> std::io::Result<mpsc::Receiver<Signal>> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let ignored = environment::ignored_signals();
    let (sender, first) = mpsc::channel(1);
    let mut heard = FuturesUnordered::new();
    {
        let _context = runtime.enter();
        for signal in Signal::ALL {
            // What `nohup` and shells' background jobs are not to hear stays unheard.
            if ignored & (1 << (signal as u8 - 1)) == 0 {
                heard.push(next(signal, unix::signal(signal.kind())?));
            }
        }
    }
    let pass_on = async move {
        let Some((signal, again)) = heard.next().await else { return };
        heard.push(next(signal, again));
        let _ = sender.send(signal).await;
        let unheard = async {
            if timeout(HEARING, sender.closed()).await.is_ok() {
                std::future::pending::<()>().await;
            }
            signal
        };
        let last = tokio::select! {
            Some((second, _)) = heard.next() => second,
            first = unheard => first,
        };
        std::process::exit(128 + last as i32);
    };
    std::thread::Builder::new().name("signals".to_owned()).spawn(move || runtime.block_on(pass_on))?;
    Ok(first)
}

async fn next(signal: Signal, mut listener: unix::Signal) -> (Signal, unix::Signal) {
    listener.recv().await;
    (signal, listener)
}
