//! The help texts of all commands on artifacts: one golden file.

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
