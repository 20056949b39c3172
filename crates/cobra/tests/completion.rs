//! Completion: the protocol, and the bash script in a real bash.

use std::process::Command as Process;

use tidewaiter_cobra::{Action, Arguments, Candidate, Command, Completion, Directive, Flag, Shell, Values};

fn program(name: &'static str) -> Command {
    let format = Values::Words(&[("json", "Print as JSON"), ("text", "Print as text")]);
    let pull = Command::new("pull")
        .short("Pull files")
        .arguments(Arguments::Exactly(1), &[Values::Ask("reference")])
        .flag(Flag::bool("debug", "output debug logs").short('d'))
        .flag(Flag::text("format", "output format").values(format))
        .flag(Flag::text("output", "output directory").short('o').values(Values::Directories))
        .flag(Flag::text("secret", "not shown").hidden())
        .flag(Flag::repeated("header", "headers").short('H').values(Values::Nothing));
    let backup = Command::new("backup").flag(Flag::text("to", "where to").required());
    let words: Vec<&str> = name.split(' ').collect();
    Command::group(name).command(pull).command(backup).with_builtins(&words)
}

/// Completes the last of `words`; questions are answered with two references.
fn complete(words: &[&str]) -> String {
    let program = program("boat");
    let words: Vec<String> =
        std::iter::once("__complete").chain(words.iter().copied()).map(str::to_owned).collect();
    let answer = match program.dispatch(&words).result {
        Ok(Action::Complete(Completion::Ready(answer))) => answer,
        Ok(Action::Complete(Completion::Ask(question))) => {
            assert_eq!(question.kind, "reference");
            let candidates = ["host:5000/a:v1", "host:5000/a:v2", "other/b"];
            let candidates = candidates.iter().map(|word| Candidate::new(*word, "")).collect();
            question.answer(candidates, Directive::NO_FILES.and(Directive::NO_SPACE))
        }
        other => panic!("{words:?}: {other:?}"),
    };
    answer.stdout()
}

#[test]
fn answers_follow_the_protocol() {
    assert_eq!(complete(&["pu"]), "pull\tPull files\n:4\n");
    assert_eq!(complete(&["pull", "--d"]), "--debug\toutput debug logs\n:4\n");
    assert_eq!(complete(&["pull", "--debug", "--d"]), ":4\n");
    assert_eq!(complete(&["pull", "-H", "x", "--hea"]), "--header\theaders\n:4\n");
    assert_eq!(complete(&["pull", "--sec"]), ":4\n");
    assert_eq!(complete(&["pull", "--format", ""]), "json\tPrint as JSON\ntext\tPrint as text\n:4\n");
    assert_eq!(complete(&["pull", "--format=j"]), "json\tPrint as JSON\n:4\n");
    assert_eq!(complete(&["pull", "-do", ""]), ":16\n");
    assert_eq!(complete(&["pull", "host"]), "host:5000/a:v1\nhost:5000/a:v2\n:6\n");
    assert_eq!(complete(&["pull", "--debug", "o"]), "other/b\n:6\n");
    assert_eq!(complete(&["pull", "--nope", ""]), ":0\n");
    assert_eq!(complete(&["pull", "--help", ""]), ":4\n");
    assert_eq!(complete(&["backup", "-"]), "--to\twhere to\n:4\n");
    assert_eq!(complete(&["completion", "z"]), "zsh\tPrint the script for zsh\n:4\n");
}

#[test]
fn descriptions_can_be_left_out() {
    let program = program("boat");
    let words = ["__completeNoDesc", "pu"].map(str::to_owned);
    let Ok(Action::Complete(Completion::Ready(answer))) = program.dispatch(&words).result else {
        panic!("no answer");
    };
    assert_eq!(answer.stdout(), "pull\n:4\n");
    assert_eq!(answer.stderr(), "Completion ended with directive: ShellCompDirectiveNoFileComp\n");
}

/// What bash would offer for a command line with the cursor at its end. `boat` is a shell function that
/// prints `answer` and records what it was asked.
fn bash(invocation: &str, line: &str, answer: &str) -> (Vec<String>, String) {
    let script = Shell::Bash.script(invocation, true);
    let function = invocation.replace(|c: char| !c.is_ascii_alphanumeric(), "_");
    // COMP_WORDS as readline makes them: separators are words of their own.
    let mut pieces: Vec<String> = vec![String::new()];
    for c in line.chars() {
        let last = pieces.last_mut().expect("never empty");
        let is_separator = |c: char| c == ':' || c == '=';
        if c == ' ' {
            if !last.is_empty() {
                pieces.push(String::new());
            }
        } else if last.is_empty() || last.chars().all(is_separator) == is_separator(c) {
            last.push(c);
        } else {
            pieces.push(c.to_string());
        }
    }
    let words: Vec<String> = pieces.iter().map(|piece| format!("'{piece}'")).collect();
    let test = format!(
        "{script}\n\
         boat() {{ printf '%s|' \"$@\" >&3; printf '%s' \"$ANSWER\"; }}\n\
         COMP_WORDS=({}); COMP_CWORD={}; COMP_LINE='{line}'; COMP_POINT=${{#COMP_LINE}}\n\
         exec 3>asked; __{function}_complete; printf '%s\\n' \"${{COMPREPLY[@]}}\"",
        words.join(" "),
        pieces.len() - 1,
    );
    let directory = tempfile::tempdir().expect("a temporary directory");
    let output = Process::new("bash")
        .args(["--norc", "-c", &test])
        .env("ANSWER", answer)
        .current_dir(directory.path())
        .output()
        .expect("bash is installed");
    let errors = String::from_utf8_lossy(&output.stderr).replace("compopt: not currently executing", "");
    assert!(!errors.contains("syntax error"), "{errors}");
    let asked = std::fs::read_to_string(directory.path().join("asked")).expect("the record");
    (String::from_utf8_lossy(&output.stdout).lines().map(str::to_owned).collect(), asked)
}

#[test]
fn the_bash_script_offers_what_was_answered() {
    let (offered, asked) = bash("boat", "boat pu", "pull\tPull files\n:4\n");
    assert_eq!((offered, asked.as_str()), (vec!["pull".to_owned()], "__complete|pu|"));

    let (offered, asked) = bash("boat", "boat pull ", "");
    assert_eq!((offered, asked.as_str()), (vec![String::new()], "__complete|pull||"));

    // Several candidates show their descriptions.
    let (offered, _) = bash("boat", "boat p", "pull\tPull files\npush\tPush\n:4\n");
    assert_eq!(offered, ["pull  (Pull files)", "push  (Push)"]);

    // readline replaces only what follows the last colon.
    let (offered, asked) = bash("boat", "boat pull host:5000/a:v", "host:5000/a:v1\nhost:5000/a:v2\n:4\n");
    assert_eq!(
        (offered, asked.as_str()),
        (vec!["v1".to_owned(), "v2".to_owned()], "__complete|pull|host:5000/a:v|")
    );

    let (offered, asked) = bash("boat", "boat pull --format=j", "json\n:4\n");
    assert_eq!((offered, asked.as_str()), (vec!["json".to_owned()], "__complete|pull|--format=j|"));
}

#[test]
fn the_bash_script_reaches_a_tree_below_another_word() {
    let (offered, asked) = bash("boat artifact", "boat artifact pu", "pull\n:4\n");
    assert_eq!((offered, asked.as_str()), (vec!["pull".to_owned()], "artifact|__complete|pu|"));
    let (offered, asked) = bash("boat artifact", "boat serve pu", "pull\n:4\n");
    assert_eq!((offered, asked.as_str()), (vec![String::new()], ""));
}

#[test]
fn every_shell_has_its_script() {
    for shell in [Shell::Bash, Shell::Zsh, Shell::Fish, Shell::PowerShell] {
        let script = shell.script("boat artifact", false);
        assert!(script.contains("__completeNoDesc"), "{}", shell.name());
        for placeholder in ["@PROGRAM@", "@LEAD@", "@LEAD_COUNT@", "@ID@", "@REQUEST@"] {
            assert!(!script.contains(placeholder), "{} {placeholder}", shell.name());
        }
        let program = program("boat");
        let words = ["completion", shell.name()].map(str::to_owned);
        let outcome = program.dispatch(&words);
        assert!(matches!(&outcome.result, Ok(Action::Print(text)) if text.contains("__complete")));
    }
}
