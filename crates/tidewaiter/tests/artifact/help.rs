//! The help of all commands on artifacts, in two golden files: the whole texts, which are ours to word, and what
//! scripts rely on in them, which is not.

use crate::oras::Oras;

/// Every command, as it is asked for help.
const COMMANDS: &[&str] = &[
    "",
    "attach",
    "backup",
    "blob",
    "blob delete",
    "blob fetch",
    "blob push",
    "completion",
    "completion bash",
    "completion fish",
    "completion powershell",
    "completion zsh",
    "cp",
    "discover",
    "help",
    "login",
    "logout",
    "manifest",
    "manifest delete",
    "manifest fetch",
    "manifest fetch-config",
    "manifest index",
    "manifest index create",
    "manifest index update",
    "manifest push",
    "pull",
    "push",
    "repo",
    "repo ls",
    "repo tags",
    "resolve",
    "restore",
    "tag",
    "tag rm",
    "version",
];

#[test]
fn help_texts() {
    let oras = Oras::new();
    let mut all = String::new();
    for command in COMMANDS {
        let text = oras.ok(&format!("{command} --help"));
        all.push_str(&format!("===== oras {command} --help\n{text}\n"));
        assert_eq!(oras.ok(&format!("help {command}")), text, "{command}");
    }
    insta::assert_snapshot!(all);
}

/// What stands before descriptions that are not settled yet.
const MARKS: &[&str] = &["[Preview]", "[Experimental]", "[Deprecated]"];

/// The headings of a help text.
const HEADINGS: &[&str] =
    &["Usage:", "Aliases:", "Examples:", "Available Commands:", "Flags:", "Global Flags:"];

/// What scripts rely on in a help text, without the sentences: headings, usage lines, names of commands, and of
/// each flag its spellings, the name of its value, its mark, its default, and its choices when they are listed.
fn interface(help: &str) -> String {
    let mut text = String::new();
    let mut section = "";
    for line in help.lines() {
        let entry = line.strip_prefix("  ");
        match (section, entry) {
            (_, None) if HEADINGS.contains(&line) => {
                section = line;
                text.push_str(&format!("{line}\n"));
            }
            ("Usage:" | "Aliases:", Some(_)) => text.push_str(&format!("{line}\n")),
            ("Available Commands:", Some(entry)) => {
                let name = entry.split_whitespace().next().unwrap_or_default();
                text.push_str(&format!("  {name}{}\n", remarks(entry)));
            }
            ("Flags:" | "Global Flags:", Some(entry)) => {
                let entry = entry.trim_start();
                let name = match entry.strip_prefix('\'') {
                    Some(choice) => choice.split('\'').next().unwrap_or_default(),
                    None => entry.split("   ").next().unwrap_or_default(),
                };
                text.push_str(&format!("  {name}{}\n", remarks(entry)));
            }
            _ => {}
        }
    }
    text
}

/// The mark and the default of a flag or command, as far as it has them.
fn remarks(entry: &str) -> String {
    let mark = MARKS.iter().find(|mark| entry.contains(*mark)).map(|mark| format!(" {mark}"));
    let default = entry.rfind(" (default ").map(|start| entry[start..].to_owned());
    [mark, default].into_iter().flatten().collect()
}

#[test]
fn names_usage_lines_and_defaults_stay() {
    let oras = Oras::new();
    let all = COMMANDS.iter().map(|command| {
        let help = oras.ok(&format!("{command} --help"));
        format!("===== oras {command} --help\n{}\n", interface(&help))
    });
    insta::assert_snapshot!(all.collect::<String>());
}

#[test]
fn words_that_scripts_look_for_in_help_are_there() {
    let oras = Oras::new();
    for (command, words) in [
        ("attach", &["\nExample - ", "disable progress bars"][..]),
        ("blob fetch", &["\nExample - ", "prettify JSON"]),
        ("cp", &["Copy", "\nExample - "]),
        (
            "discover",
            &[
                "[Preview] Discover",
                "** This command is in preview and under development. **",
                "\nExample - ",
                "disable colors",
            ],
        ),
        ("manifest index update", &["tags for the updated index"]),
        ("manifest push", &["\nExample - ", "prettify JSON"]),
        (
            "repo ls",
            &[
                "oras repo ls localhost:5000 --format json",
                "oras repo ls localhost:5000 --format go-template",
            ],
        ),
        (
            "repo tags",
            &[
                "oras repo tags localhost:5000/hello --format json",
                "oras repo tags localhost:5000/hello --format go-template",
            ],
        ),
        ("resolve", &["[Preview]", "\nExample - "]),
    ] {
        let help = oras.ok(&format!("{command} --help"));
        for word in words {
            assert!(help.contains(word), "{command}: {word}\n{help}");
        }
    }
}

#[test]
fn the_list_of_commands_is_whole() {
    let oras = Oras::new();
    let mut pending = vec![String::new()];
    while let Some(command) = pending.pop() {
        assert!(COMMANDS.contains(&command.as_str()), "{command} is not among the golden texts");
        let help = oras.ok(&format!("{command} --help"));
        let Some((_, list)) = help.split_once("Available Commands:\n") else { continue };
        let names = list
            .lines()
            .take_while(|line| !line.is_empty())
            .filter_map(|line| line.split_whitespace().next());
        pending.extend(names.map(|name| format!("{command} {name}").trim().to_owned()));
    }
}

#[test]
fn the_same_words_stand_under_tidewaiter() {
    let oras = Oras::new();
    let help = oras.command(env!("CARGO_BIN_EXE_tidewaiter")).args(["artifact", "push", "--help"]).output();
    let help = String::from_utf8(help.expect("the program runs").stdout).expect("UTF-8");
    let expected = oras.ok("push --help").replace("oras push", "tidewaiter artifact push");
    assert_eq!(help, expected);
}
