//! From an argument list to the command it means: finding it, reading its words, and the commands that every
//! program of this kind has (`help`, `completion`, the hidden `__complete`).

use crate::command::{Arguments, Command};
use crate::complete::{self, Completion};
use crate::error::Error;
use crate::flag::Flag;
use crate::help;
use crate::matches::Matches;
use crate::parse;
use crate::scripts::Shell;
use crate::suggest;

/// The commands from the root to the one that was meant.
#[derive(Debug, Clone)]
pub(crate) struct Path<'a> {
    commands: Vec<&'a Command>,
}

impl<'a> Path<'a> {
    pub(crate) fn command(&self) -> &'a Command {
        self.commands[self.commands.len() - 1]
    }

    pub(crate) fn text(&self) -> String {
        self.commands.iter().map(|command| command.name()).collect::<Vec<_>>().join(" ")
    }

    /// Flags declared by the command itself.
    pub(crate) fn own_flags(&self) -> Vec<&'a Flag> {
        self.command().flags.iter().collect()
    }

    /// Persistent flags of the commands above.
    pub(crate) fn inherited_flags(&self) -> Vec<&'a Flag> {
        let above = &self.commands[..self.commands.len() - 1];
        let own = &self.command().flags;
        let flags = above.iter().flat_map(|command| &command.flags).filter(|flag| flag.persistent);
        flags.filter(|flag| own.iter().all(|other| other.name != flag.name)).collect()
    }

    pub(crate) fn flags(&self) -> Vec<&'a Flag> {
        let mut flags = self.own_flags();
        flags.extend(self.inherited_flags());
        flags
    }
}

/// What to do.
#[derive(Debug)]
pub enum Action<'a> {
    /// Run the command with these values. Call [`Matches::validate`] once its own checks are done.
    Run(Matches),
    /// Write this to standard output and end well: help, or a completion script.
    Print(String),
    /// Answer a shell that completes a word.
    Complete(Completion<'a>),
}

/// What an argument list means.
#[derive(Debug)]
pub struct Outcome<'a> {
    path: Path<'a>,
    /// Lines for standard error about deprecated words, to be shown first.
    pub notices: Vec<String>,
    /// What to do, or what is wrong.
    pub result: Result<Action<'a>, Error>,
}

impl<'a> Outcome<'a> {
    /// The command that was meant, as far as it could be found.
    #[must_use]
    pub fn command(&self) -> &'a Command {
        self.path.command()
    }

    /// Its path, for example `oras manifest fetch`.
    #[must_use]
    pub fn command_path(&self) -> String {
        self.path.text()
    }

    /// The names of the path below the root, for example `["manifest", "fetch"]`.
    #[must_use]
    pub fn names(&self) -> Vec<&'a str> {
        self.path.commands[1..].iter().map(|command| command.name()).collect()
    }

    /// The one line that says how the command is called, for example `oras tag [flags] <name> <new_tag>`.
    #[must_use]
    pub fn use_line(&self) -> String {
        help::use_line(&self.path)
    }

    /// From `Usage:` on, as cobra adds it to errors of programs that do not silence it.
    #[must_use]
    pub fn usage(&self) -> String {
        help::usage(&self.path)
    }
}

impl Command {
    /// Adds `help` and `completion`, as cobra does to every root with commands. `invocation` is what a shell
    /// calls to reach this tree: the program and the words that lead to the root.
    #[must_use]
    pub fn with_builtins(self, invocation: &[&str]) -> Self {
        let program = invocation.join(" ");
        let help = Self::new("help").positionals("[command]").short("Describe a command").long(format!(
            "Describe a command; its own --help says the same\n\n\
             Example - Find out what completion in zsh needs:\n  {program} help completion zsh"
        ));
        let mut completion = Self::group("completion")
            .short("Print a script that completes words in a shell")
            .long(format!(
                "Print a script that completes words in a shell: commands, flags and their values after {program}\n\n\
                 The help of each shell's command says where its script goes."
            ));
        for shell in Shell::ALL {
            completion = completion.command(shell.command(&program));
        }
        self.command(completion).command(help)
    }

    /// Reads an argument list (without the program's name) against this tree.
    #[must_use]
    pub fn dispatch(&self, words: &[String]) -> Outcome<'_> {
        if let Some((first, rest)) = words.split_first()
            && let Some(descriptions) = complete::request(first)
        {
            let path = Path { commands: vec![self] };
            let completion = complete::complete(self, rest, descriptions);
            return Outcome { path, notices: Vec::new(), result: Ok(Action::Complete(completion)) };
        }
        let (path, rest) = self.locate(words);
        let command = path.command();
        if path.commands.len() == 1
            && !command.commands.is_empty()
            && let Some(name) = bare_words(command, &rest).first()
        {
            let error = Error::UnknownCommand {
                name: (*name).to_owned(),
                parent: path.text(),
                suggestions: suggest::suggestions(command, name),
            };
            return Outcome { path, notices: Vec::new(), result: Err(error) };
        }
        self.read(path, &rest)
    }

    /// Reads the words of a command that was found.
    fn read<'a>(&'a self, path: Path<'a>, words: &[String]) -> Outcome<'a> {
        let command = path.command();
        let parsed = parse::parse(command, &path.flags(), words);
        let mut notices = Vec::new();
        if let Some(advice) = command.deprecated {
            notices.push(format!("Command \"{}\" is deprecated, {advice}", command.name()));
        }
        notices.extend(parsed.notices);
        let result = match parsed.result {
            Err(error) => Err(error),
            Ok(()) if parsed.help || !command.runnable => Ok(Action::Print(help::help(&path))),
            Ok(()) => match check_count(&path, &parsed.matches) {
                Err(error) => Err(error),
                Ok(()) => self.act(&path, parsed.matches),
            },
        };
        Outcome { path, notices, result }
    }

    /// Built-in commands answer themselves; all others are for the caller to run.
    fn act<'a>(&'a self, path: &Path<'a>, matches: Matches) -> Result<Action<'a>, Error> {
        match path.commands[1..].iter().map(|command| command.name()).collect::<Vec<_>>()[..] {
            ["help"] => Ok(Action::Print(self.help_topic(matches.arguments()))),
            ["completion", name] => match Shell::from_name(name) {
                Some(shell) => {
                    let descriptions = !matches.bool("no-descriptions");
                    Ok(Action::Print(shell.script(&self.name, descriptions)))
                }
                None => Ok(Action::Run(matches)),
            },
            _ => Ok(Action::Run(matches)),
        }
    }

    /// What `help words…` prints.
    fn help_topic(&self, words: &[String]) -> String {
        let (path, rest) = self.locate(words);
        if path.commands.len() == 1 && !rest.is_empty() {
            let topics: Vec<_> = words.iter().map(|word| format!("`{word}`")).collect();
            return format!("Unknown help topic [{}]\n{}", topics.join(" "), help::usage(&path));
        }
        help::help(&path)
    }

    /// Follows the words down the tree. Returns the path and the words that are not names on it.
    pub(crate) fn locate(&self, words: &[String]) -> (Path<'_>, Vec<String>) {
        let mut path = Path { commands: vec![self] };
        let mut rest = words.to_vec();
        loop {
            let command = path.command();
            let flags = path.flags();
            let Some(position) = first_bare_word(&flags, &rest) else { break };
            let Some(child) = command.find(&rest[position]) else { break };
            rest.remove(position);
            path.commands.push(child);
        }
        (path, rest)
    }
}

/// The positional arguments are as many as the command takes.
fn check_count(path: &Path<'_>, matches: &Matches) -> Result<(), Error> {
    let (expected, got) = (path.command().arguments, matches.arguments().len());
    if expected == Arguments::Any || expected.accept(got) {
        return Ok(());
    }
    let first = matches.arguments().first().cloned();
    Err(Error::ArgumentCount { expected, got, path: path.text(), first })
}

/// The words that are neither flags nor values of flags, before `--`.
fn bare_words<'w>(command: &Command, words: &'w [String]) -> Vec<&'w str> {
    let flags: Vec<&Flag> = command.flags.iter().collect();
    let mut bare = Vec::new();
    let mut start = 0;
    while let Some(position) = first_bare_word(&flags, &words[start..]) {
        bare.push(words[start + position].as_str());
        start += position + 1;
    }
    bare
}

/// Position of the first word that is neither a flag nor, by what is known of the flags, the value of one.
/// A flag that is not known is taken to have a value, as cobra takes it.
fn first_bare_word(flags: &[&Flag], words: &[String]) -> Option<usize> {
    let mut position = 0;
    while let Some(word) = words.get(position) {
        if word == "--" {
            return None;
        }
        let takes_next = if let Some(name) = word.strip_prefix("--") {
            !name.contains('=') && !flags.iter().any(|flag| flag.name == name && flag.is_switch())
        } else if let Some(letters) = word.strip_prefix('-') {
            let mut letters = letters.chars();
            match (letters.next(), letters.next()) {
                (Some(letter), None) => {
                    !flags.iter().any(|flag| flag.shorthand == Some(letter) && flag.is_switch())
                }
                _ => false,
            }
        } else if word.is_empty() {
            false
        } else {
            return Some(position);
        };
        position += if takes_next { 2 } else { 1 };
    }
    None
}
