//! Being a plugin of the docker client: linked as `docker-scout` or `docker-tidewaiter`, the program answers to
//! `docker scout …` and `docker tidewaiter …`.
//!
//! The client asks for metadata before every run, then runs the plugin with the whole of its own argument list; its
//! global flags come first and are ours to read. Without a terminal it does not pass signals on but closes a socket.

use std::path::Path;

use clap::{Command, CommandFactory as _};
use serde_json::json;

use crate::Arguments;
use crate::environment;
use crate::ui::Ui;

/// Names that the client may know us by.
const NAMES: [&str; 2] = ["scout", "tidewaiter"];

/// How the program was called as a plugin.
pub(crate) struct Plugin {
    /// The name after `docker`.
    name: String,
    words: Vec<String>,
}

/// What a plugin is asked for.
pub(crate) enum Asked {
    /// An answer that is complete.
    Said,
    /// A command, in its words, the program's name first.
    Run(Vec<String>),
}

/// The call, if the program goes by the name of a plugin.
pub(crate) fn called() -> Option<Plugin> {
    let mut words = std::env::args_os().map(|word| word.to_string_lossy().into_owned());
    let called = words.next().unwrap_or_default();
    let stem = Path::new(&called).file_stem()?.to_str()?.strip_prefix("docker-")?.to_owned();
    NAMES.contains(&stem.as_str()).then(|| Plugin { name: stem, words: words.collect() })
}

impl Plugin {
    /// Answers what the client itself asks, and finds the command in everything else.
    pub(crate) fn answer(self, ui: Ui) -> Asked {
        match self.words.as_slice() {
            [only] if only == "docker-cli-plugin-metadata" => ui.line(metadata(&self.name)),
            [name, hooks, asked] if *name == self.name && hooks == "docker-cli-plugin-hooks" => {
                ui.line(hint(&self.name, asked));
            }
            [complete, name, rest @ ..] if complete == "__complete" && *name == self.name => {
                ui.out(completions(rest));
            }
            _ => {
                cancel_with_client();
                return Asked::Run(self.command());
            }
        }
        Asked::Said
    }

    /// The words of the command, without docker's own.
    fn command(self) -> Vec<String> {
        let mut words = self.words.iter();
        let mut own: Vec<String> = Vec::new();
        let mut is_help = false;
        let mut is_found = false;
        while let Some(word) = words.next() {
            if *word == self.name {
                is_found = true;
                break;
            }
            match Global::of(word) {
                Some(Global::Switch) => {}
                Some(Global::Help) => is_help = true,
                Some(Global::Value(name, inline)) => {
                    if let Some(value) = inline.map(str::to_owned).or_else(|| words.next().cloned()) {
                        environment::override_docker(name, value);
                    }
                }
                // Called by hand, without the name in between.
                None => {
                    own.push(word.clone());
                    break;
                }
            }
        }
        own.extend(words.cloned());
        if is_help && is_found {
            own.insert(0, "help".to_owned());
        }
        std::iter::once(format!("docker {}", self.name)).chain(own).collect()
    }
}

/// A word that docker takes before the name of a plugin.
enum Global<'a> {
    Switch,
    /// `help`, or a flag that asks for it.
    Help,
    /// By its long name, with the value behind `=` if it stands there.
    Value(&'static str, Option<&'a str>),
}

impl<'a> Global<'a> {
    fn of(word: &'a str) -> Option<Self> {
        let (flag, inline) = word.split_once('=').map_or((word, None), |(flag, value)| (flag, Some(value)));
        Some(match flag {
            "help" | "-h" | "--help" => Self::Help,
            "-D" | "--debug" | "--tls" | "--tlsverify" => Self::Switch,
            "--config" => Self::Value("config", inline),
            "-c" | "--context" => Self::Value("context", inline),
            "-H" | "--host" => Self::Value("host", inline),
            "-l" | "--log-level" => Self::Value("log-level", inline),
            "--tlscacert" | "--tlscert" | "--tlskey" => Self::Value("tls", inline),
            _ => return None,
        })
    }
}

fn metadata(name: &str) -> String {
    let description = match name {
        "scout" => "What is inside images and wrong with them, by Tidewaiter",
        _ => "What is inside images and wrong with them",
    };
    json!({
        "SchemaVersion": "0.1.0",
        "Vendor": "Tidewaiter",
        "Version": format!("v{}", env!("CARGO_PKG_VERSION")),
        "ShortDescription": description,
        "URL": "https://github.com/tidewaiter/tidewaiter",
    })
    .to_string()
}

/// What to do after `docker pull` and `docker build`, as a template that the client fills in.
fn hint(name: &str, asked: &str) -> String {
    let asked: serde_json::Value = serde_json::from_str(asked).unwrap_or_default();
    let is_failed = asked["CommandError"].as_str().is_some_and(|error| !error.is_empty());
    let template = match asked["RootCmd"].as_str() {
        _ if is_failed => String::new(),
        Some("pull") => format!("See what is wrong with it → docker {name} quickview {{{{arg . 0}}}}"),
        Some(_) => format!("See what is wrong with it → docker {name} quickview"),
        None => String::new(),
    };
    json!({"Type": 0, "Template": template}).to_string()
}

/// Candidates for the last word, one a line, and that no files are meant.
fn completions(words: &[String]) -> String {
    let (current, before) =
        words.split_last().map_or(("", &[][..]), |(last, before)| (last.as_str(), before));
    let mut command = Arguments::command();
    command.build();
    let mut place: &Command = &command;
    for word in before {
        place = place.find_subcommand(word).unwrap_or(place);
    }
    let shows_text = environment::variable(environment::DOCKER_CLI_DISABLE_COMPLETION_DESCRIPTION).is_none();
    let mut lines = String::new();
    let mut offer = |name: String, text: Option<String>| {
        if name.starts_with(current) {
            let text = text.filter(|_| shows_text).map(|text| format!("\t{text}")).unwrap_or_default();
            lines.push_str(&format!("{name}{text}\n"));
        }
    };
    for sub in place.get_subcommands().filter(|sub| !sub.is_hide_set()) {
        offer(sub.get_name().to_owned(), sub.get_about().map(ToString::to_string));
    }
    if current.starts_with('-') {
        for flag in place.get_arguments().filter(|flag| !flag.is_hide_set()) {
            let text =
                flag.get_help().map(|help| help.to_string().lines().next().unwrap_or_default().to_owned());
            if let Some(long) = flag.get_long() {
                offer(format!("--{long}"), text);
            }
        }
    }
    // cobra's directive for "no files".
    lines.push_str(":4\n");
    lines
}

/// Ends the program when the client goes away, which it tells by closing its socket. A socket that cannot be reached is
/// no reason not to work.
fn cancel_with_client() {
    #[cfg(target_os = "linux")]
    if let Some(name) = environment::variable(environment::DOCKER_CLI_PLUGIN_SOCKET) {
        use std::io::Read as _;
        use std::os::linux::net::SocketAddrExt as _;
        use std::os::unix::net::{SocketAddr, UnixStream};
        let stream = match name.strip_prefix('@') {
            Some(name) => {
                SocketAddr::from_abstract_name(name).and_then(|address| UnixStream::connect_addr(&address))
            }
            None => UnixStream::connect(&name),
        };
        if let Ok(mut stream) = stream {
            std::thread::spawn(move || {
                let mut bytes = [0; 64];
                // The client sends nothing that matters here; its end is what is waited for.
                while stream.read(&mut bytes).is_ok_and(|count| count > 0) {}
                std::process::exit(130);
            });
        }
    }
}
