//! The debug log and what registries want people to know: standard error, in the form of ORAS's log.

use std::fmt::Write as _;

use tidewaiter_cobra::quote;
use tidewaiter_oci::remote::{Excerpt, Observer, RequestEvent, ResponseEvent, Wait};

use crate::environment;
use crate::ui::Ui;

/// Writes what happens on the wire: always warnings and waits, with `--debug` everything.
#[derive(Debug)]
pub(crate) struct Wire {
    ui: Ui,
    debug: bool,
}

impl Wire {
    pub(crate) fn new(ui: Ui, debug: bool) -> Self {
        Self { ui, debug }
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
        let mut text = format!(
            "--> Request #{}\n> Request URL: {}\n> Request method: \"{}\"\n> Request headers:\n",
            event.number,
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
            event.number, event.status
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
                format_args!("<-- Response #{number}\nError in getting response: {reason}\n\n"),
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
