//! The debug log and what registries want people to know: standard error, in the form of ORAS's log.

use std::collections::HashMap;
use std::fmt::Write as _;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use tidewaiter_cobra::quote;
use tidewaiter_oci::remote::{Excerpt, Observer, RequestEvent, ResponseEvent, Wait};

use crate::environment;
use crate::ui::Ui;

/// Writes what happens on the wire: always warnings and waits, with `--debug` everything.
#[derive(Debug)]
pub(crate) struct Wire {
    ui: Ui,
    debug: bool,
    /// Numbers of requests under way in the whole program, by those of their client.
    numbers: Mutex<HashMap<u64, u64>>,
}

/// Requests of the program so far, whichever registry they went to.
static REQUESTS: AtomicU64 = AtomicU64::new(0);

impl Wire {
    pub(crate) fn new(ui: Ui, debug: bool) -> Self {
        Self { ui, debug, numbers: Mutex::default() }
    }

    fn numbers(&self) -> MutexGuard<'_, HashMap<u64, u64>> {
        self.numbers.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The number of the request that is answered.
    fn answered(&self, number: u64) -> u64 {
        self.numbers().remove(&number).unwrap_or(number)
    }

    fn log(&self, level: &str, message: impl std::fmt::Display) {
        let now = environment::timestamp();
        self.ui.note(format_args!("[{now:.9}][{level}]: {message}"));
    }
}

impl Observer for Wire {
    fn wants_wire(&self) -> bool {
        self.debug
    }

    fn request(&self, event: &RequestEvent) {
        let number = REQUESTS.fetch_add(1, Ordering::Relaxed);
        self.numbers().insert(event.number, number);
        let mut text = format!(
            "--> Request #{number}\n> Request URL: {}\n> Request method: \"{}\"\n> Request headers:\n",
            quote(&event.url),
            event.method
        );
        add_headers(&mut text, &event.headers);
        text.push('\n');
        self.log("DEBUG", text);
    }

    fn response(&self, event: &ResponseEvent) {
        let mut text = format!(
            "<-- Response #{}\n< Response Status: \"{}\"\n< Response headers:\n",
            self.answered(event.number),
            event.status
        );
        add_headers(&mut text, &event.headers);
        text.push_str("< Response body:\n");
        match &event.body {
            Excerpt::Empty => text.push_str("   No response body to print"),
            Excerpt::NotText { content_type } if content_type.is_empty() => {
                text.push_str("   Response body without a content type is not printed");
            }
            Excerpt::NotText { content_type } => {
                let _ = write!(text, "   Response body of content type \"{content_type}\" is not printed");
            }
            Excerpt::Text { text: body, cut } => {
                text.push_str(body);
                if *cut {
                    text.push_str("\n...(truncated)");
                }
            }
        }
        text.push_str("\n\n");
        self.log("DEBUG", text);
    }

    fn failed(&self, number: u64, reason: &str) {
        if self.debug {
            self.log(
                "DEBUG",
                format_args!(
                    "<-- Response #{}\nError in getting response: {reason}\n\n",
                    self.answered(number)
                ),
            );
        }
    }

    fn warning(&self, host: &str, text: &str) {
        self.log("WARNING", format_args!("{host}: {text}"));
    }

    fn waiting(&self, wait: &Wait) {
        let seconds = wait.delay.as_secs_f64();
        if self.debug || seconds >= 2.0 {
            let Wait { host, reason, retry, .. } = wait;
            self.log("WARNING", format_args!("{host}: {reason}; try {retry} again in {seconds:.1} s"));
        }
    }
}

fn add_headers(text: &mut String, headers: &[(String, String)]) {
    if headers.is_empty() {
        text.push_str("   Empty header\n");
    }
    for (name, value) in headers {
        let _ = writeln!(text, "   {}: {}", quote(name), quote(value));
    }
}
