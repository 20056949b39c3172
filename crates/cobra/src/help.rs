//! Help, laid out as cobra lays it out.

use crate::command::Command;
use crate::dispatch::Path;
use crate::flag::Flag;

/// Width that cobra gives the names of commands at least.
const MIN_NAME_WIDTH: usize = 11;

/// The whole help of a command: its description and how to use it.
pub(crate) fn help(path: &Path<'_>) -> String {
    let command = path.command();
    let text = if command.long.is_empty() { &command.short } else { &command.long };
    let text = text.trim_end();
    let usage = usage(path);
    if text.is_empty() { usage } else { format!("{text}\n\n{usage}") }
}

/// How to use a command: the lines from `Usage:` on.
pub(crate) fn usage(path: &Path<'_>) -> String {
    let command = path.command();
    let mut text = String::from("Usage:");
    if command.runnable {
        text.push_str(&format!("\n  {}", use_line(path)));
    }
    let listed: Vec<_> = command.commands().into_iter().filter(|child| is_listed(child)).collect();
    let has_commands = command.commands.iter().any(Command::is_available);
    if has_commands {
        text.push_str(&format!("\n  {} [command]", path.text()));
    }
    if !command.aliases.is_empty() {
        let names: Vec<&str> =
            std::iter::once(command.name()).chain(command.aliases.iter().copied()).collect();
        text.push_str(&format!("\n\nAliases:\n  {}", names.join(", ")));
    }
    if !command.example.is_empty() {
        text.push_str(&format!("\n\nExamples:\n{}", command.example));
    }
    if has_commands {
        let widest = command.commands.iter().map(|child| child.name.len()).max().unwrap_or(0);
        let width = widest.max(MIN_NAME_WIDTH);
        text.push_str("\n\nAvailable Commands:");
        for child in listed {
            text.push_str(&format!("\n  {:width$} {}", child.name, child.short));
        }
    }
    let help_flag = help_flag(command);
    let mut own: Vec<&Flag> = path.own_flags();
    own.extend(&help_flag);
    for (title, flags) in [("Flags", own), ("Global Flags", path.inherited_flags())] {
        if flags.iter().any(|flag| !flag.hidden) {
            text.push_str(&format!("\n\n{title}:\n{}", flag_lines(flags).trim_end()));
        }
    }
    if has_commands {
        let root = path.text();
        text.push_str(&format!("\n\n\"{root} [command] --help\" describes a command."));
    }
    text.push('\n');
    text
}

/// `help` itself is in the list although cobra does not count it as available.
fn is_listed(command: &Command) -> bool {
    command.is_available() || command.name == "help"
}

/// The `--help` flag that cobra adds where a command has none of its own.
pub(crate) fn help_flag(command: &Command) -> Option<Flag> {
    let own = command.raw || command.flags.iter().any(|flag| flag.name == "help");
    let taken = command.flags.iter().any(|flag| flag.shorthand == Some('h'));
    let flag = Flag::bool("help", "show this help");
    (!own).then(|| if taken { flag } else { flag.short('h') })
}

/// The one line that says how a command is called.
pub(crate) fn use_line(path: &Path<'_>) -> String {
    let command = path.command();
    let mut line = path.text();
    if !command.positionals.is_empty() {
        line.push(' ');
        line.push_str(&command.positionals);
    }
    if command.flags_in_usage && !line.contains("[flags]") {
        line.push_str(" [flags]");
    }
    line
}

/// The list of flags, sorted by name, usages aligned in one column.
fn flag_lines(mut flags: Vec<&Flag>) -> String {
    flags.retain(|flag| !flag.hidden);
    flags.sort_by(|a, b| a.name.cmp(&b.name));
    let rows: Vec<(String, String)> = flags.iter().map(|flag| flag_row(flag)).collect();
    let width = rows.iter().map(|(left, _)| left.len()).max().unwrap_or(0) + 3;
    let indent = format!("\n{}", " ".repeat(width));
    let lines = rows.into_iter().map(|(left, usage)| {
        let usage = usage.replace('\n', &indent);
        format!("{left:width$}{usage}\n")
    });
    lines.collect()
}

fn flag_row(flag: &Flag) -> (String, String) {
    let mut left = match flag.shorthand {
        Some(letter) => format!("  -{letter}, --{}", flag.name),
        None => format!("      --{}", flag.name),
    };
    let (value, usage) = flag.unquoted_usage();
    if !value.is_empty() {
        left.push(' ');
        left.push_str(&value);
    }
    (left, usage + &flag.remarks())
}
