//! Completion in shells: the protocol of cobra's hidden `__complete` command.
//!
//! A completion script calls `program __complete WORDS… CURRENT`; the answer is one candidate per line, with a
//! description after a tab, and a last line `:N` with directives to the shell. Candidates that the tree knows
//! (commands, flags, fixed words) are answered here. What only the program can know, such as the tags of a
//! repository, comes back as a [`Question`], which the program answers.

use crate::command::Command;
use crate::dispatch::Path;
use crate::flag::Flag;
use crate::help::help_flag;
use crate::matches::Matches;
use crate::parse;

/// How the values of a flag or an argument complete.
#[derive(Debug, Clone, Default)]
pub enum Values {
    /// As files, by the shell.
    #[default]
    Files,
    /// As files with one of these extensions (without dots).
    Extensions(&'static [&'static str]),
    /// As directories.
    Directories,
    /// Not at all.
    Nothing,
    /// From these words, each with a description that may be empty.
    Words(&'static [(&'static str, &'static str)]),
    /// By asking the program; the name says what for.
    Ask(&'static str),
}

/// What the shell is to do with the candidates: cobra's bit map.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Directive(u8);

impl Directive {
    /// Use them, else complete files.
    pub const DEFAULT: Self = Self(0);
    /// Ignore them, something failed.
    pub const ERROR: Self = Self(1);
    /// Add no space after the candidate.
    pub const NO_SPACE: Self = Self(2);
    /// Do not complete files.
    pub const NO_FILES: Self = Self(4);
    /// They are extensions to filter files by.
    pub const FILTER_EXTENSIONS: Self = Self(8);
    /// Complete directories.
    pub const FILTER_DIRECTORIES: Self = Self(16);
    /// Keep their order.
    pub const KEEP_ORDER: Self = Self(32);

    /// Both.
    #[must_use]
    pub const fn and(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// The names that cobra shows on standard error.
    fn names(self) -> String {
        let all = [
            (Self::ERROR, "Error"),
            (Self::NO_SPACE, "NoSpace"),
            (Self::NO_FILES, "NoFileComp"),
            (Self::FILTER_EXTENSIONS, "FilterFileExt"),
            (Self::FILTER_DIRECTORIES, "FilterDirs"),
            (Self::KEEP_ORDER, "KeepOrder"),
        ];
        let set = all.iter().filter(|(directive, _)| self.0 & directive.0 != 0);
        let names: Vec<_> = set.map(|(_, name)| format!("ShellCompDirective{name}")).collect();
        if names.is_empty() { "ShellCompDirectiveDefault".to_owned() } else { names.join(", ") }
    }
}

/// A word that may be meant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Candidate {
    /// The word.
    pub word: String,
    /// What it is; may be empty.
    pub description: String,
}

impl Candidate {
    /// A word with a description.
    #[must_use]
    pub fn new(word: impl Into<String>, description: impl Into<String>) -> Self {
        Self { word: word.into(), description: description.into() }
    }
}

/// An answer for a completion script.
#[derive(Debug, Clone)]
pub struct Answer {
    candidates: Vec<Candidate>,
    directive: Directive,
    descriptions: bool,
}

impl Answer {
    /// What goes to standard output: the candidates and the line with the directives.
    #[must_use]
    pub fn stdout(&self) -> String {
        let mut text = String::new();
        for candidate in &self.candidates {
            let description = candidate.description.lines().next().unwrap_or_default().trim();
            text.push_str(&candidate.word);
            if self.descriptions && !description.is_empty() {
                text.push('\t');
                text.push_str(description);
            }
            text.push('\n');
        }
        text.push_str(&format!(":{}\n", self.directive.0));
        text
    }

    /// What goes to standard error, for people who call `__complete` themselves.
    #[must_use]
    pub fn stderr(&self) -> String {
        format!("Completion ended with directive: {}\n", self.directive.names())
    }
}

/// What only the program can answer.
#[derive(Debug)]
pub struct Question<'a> {
    /// What is asked for: the name given to [`Values::Ask`].
    pub kind: &'static str,
    /// The command whose word completes.
    pub command: &'a Command,
    /// The flags and arguments before the word.
    pub matches: Matches,
    /// The word as far as it is typed.
    pub word: String,
    known: Vec<Candidate>,
    descriptions: bool,
}

impl Question<'_> {
    /// Answers with candidates; those that do not begin with the word are left out.
    #[must_use]
    pub fn answer(self, candidates: Vec<Candidate>, directive: Directive) -> Answer {
        let fitting = candidates.into_iter().filter(|candidate| candidate.word.starts_with(&self.word));
        let candidates = self.known.into_iter().chain(fitting).collect();
        Answer { candidates, directive, descriptions: self.descriptions }
    }
}

/// Where a completion request leads.
#[derive(Debug)]
pub enum Completion<'a> {
    /// The answer.
    Ready(Answer),
    /// Something that the program must be asked.
    Ask(Question<'a>),
}

/// The word asks for completion; the value says whether descriptions are wanted.
pub(crate) fn request(word: &str) -> Option<bool> {
    match word {
        "__complete" => Some(true),
        "__completeNoDesc" => Some(false),
        _ => None,
    }
}

/// Completes the last of `words`.
pub(crate) fn complete<'a>(root: &'a Command, words: &[String], descriptions: bool) -> Completion<'a> {
    let ready = |candidates, directive| Completion::Ready(Answer { candidates, directive, descriptions });
    let Some((word, before)) = words.split_last() else { return ready(Vec::new(), Directive::ERROR) };
    let (path, rest) = root.locate(before);
    let command = path.command();
    let help = help_flag(command);
    let mut flags = path.flags();
    flags.extend(&help);
    let Ok(value) = FlagValue::find(command, &flags, &rest, word) else {
        return ready(Vec::new(), Directive::DEFAULT);
    };
    let parsed = parse::parse(command, &path.flags(), value.words);
    if parsed.result.is_err() {
        return ready(Vec::new(), Directive::DEFAULT);
    }
    if parsed.help {
        return ready(Vec::new(), Directive::NO_FILES);
    }
    let matches = parsed.matches;
    let after_dashes = matches.arguments_before_dashes().is_some();
    let ask = |known: Vec<Candidate>, kind, word: &str, matches| {
        Completion::Ask(Question { kind, command, matches, word: word.to_owned(), known, descriptions })
    };
    if let Some(flag) = value.flag.filter(|_| !after_dashes) {
        return match flag.values {
            Values::Ask(kind) => ask(Vec::new(), kind, value.word, matches),
            ref values => {
                let (candidates, directive) = fixed(values, value.word);
                ready(candidates, directive)
            }
        };
    }
    if word.starts_with('-') && !word.contains('=') && !after_dashes && !command.raw {
        return ready(flag_names(&flags, &matches, word), Directive::NO_FILES);
    }
    let mut known = command_names(&path, &matches, word);
    let has_commands = !known.is_empty() || (!command.commands.is_empty() && matches.arguments().is_empty());
    known.extend(required_flags(&flags, &matches, word));
    let rule = command.argument_values.get(matches.arguments().len()).or(command.argument_values.last());
    match rule {
        Some(Values::Ask(kind)) => ask(known, kind, word, matches),
        Some(values) => {
            let (candidates, directive) = fixed(values, word);
            known.extend(candidates);
            ready(known, directive)
        }
        None if has_commands => ready(known, Directive::NO_FILES),
        None => ready(known, Directive::DEFAULT),
    }
}

/// Whether a word is the value of a flag, and of which.
struct FlagValue<'f, 'w> {
    flag: Option<&'f Flag>,
    /// The words before it, without the flag.
    words: &'w [String],
    /// The value as far as it is typed.
    word: &'w str,
}

impl<'f, 'w> FlagValue<'f, 'w> {
    /// Fails when the value belongs to a flag that the command does not have.
    fn find(command: &Command, flags: &[&'f Flag], words: &'w [String], word: &'w str) -> Result<Self, ()> {
        let none = Ok(Self { flag: None, words, word });
        if command.raw {
            return none;
        }
        if word.starts_with('-') {
            let Some((name, value)) = word.split_once('=') else { return none };
            let flag = named(flags, name).ok_or(())?;
            return Ok(Self { flag: Some(flag), words, word: value });
        }
        let Some((last, before)) = words.split_last() else { return none };
        if !last.starts_with('-') || last.len() < 2 || last == "--" || last.contains('=') {
            return none;
        }
        match named(flags, last) {
            Some(flag) if flag.is_switch() => none,
            Some(flag) => Ok(Self { flag: Some(flag), words: before, word }),
            None => Err(()),
        }
    }
}

/// The flag that `--name`, or the last letter of `-abc`, names.
fn named<'f>(flags: &[&'f Flag], word: &str) -> Option<&'f Flag> {
    match word.strip_prefix("--") {
        Some(name) => flags.iter().find(|flag| flag.name == name).copied(),
        None => flags.iter().find(|flag| flag.shorthand == word.chars().last()).copied(),
    }
}

/// Candidates that need no asking.
fn fixed(values: &Values, word: &str) -> (Vec<Candidate>, Directive) {
    match values {
        Values::Files => (Vec::new(), Directive::DEFAULT),
        Values::Extensions(extensions) => {
            let candidates = extensions.iter().map(|extension| Candidate::new(*extension, "")).collect();
            (candidates, Directive::FILTER_EXTENSIONS)
        }
        Values::Directories => (Vec::new(), Directive::FILTER_DIRECTORIES),
        Values::Nothing | Values::Ask(_) => (Vec::new(), Directive::NO_FILES),
        Values::Words(words) => {
            let fitting = words.iter().filter(|(text, _)| text.starts_with(word));
            let candidates = fitting.map(|(text, about)| Candidate::new(*text, *about)).collect();
            (candidates, Directive::NO_FILES)
        }
    }
}

/// Flags whose name begins with the word: the required ones that are missing, else all that may still be given.
fn flag_names(flags: &[&Flag], matches: &Matches, word: &str) -> Vec<Candidate> {
    let required = required_flags(flags, matches, word);
    if !required.is_empty() {
        return required;
    }
    let mut open: Vec<&&Flag> =
        flags.iter().filter(|flag| !matches.given(&flag.name) || flag.is_list()).collect();
    open.sort_by(|a, b| a.name.cmp(&b.name));
    open.into_iter().flat_map(|flag| spellings(flag, word)).collect()
}

fn required_flags(flags: &[&Flag], matches: &Matches, word: &str) -> Vec<Candidate> {
    let missing = flags.iter().filter(|flag| flag.required && !matches.given(&flag.name));
    missing.flat_map(|flag| spellings(flag, word)).collect()
}

fn spellings(flag: &Flag, word: &str) -> Vec<Candidate> {
    let long = (!flag.hidden).then(|| format!("--{}", flag.name));
    let short = flag.shorthand.filter(|_| !flag.hidden).map(|letter| format!("-{letter}"));
    let (_, usage) = flag.unquoted_usage();
    let fitting = long.into_iter().chain(short).filter(|spelling| spelling.starts_with(word));
    fitting.map(|spelling| Candidate::new(spelling, usage.as_str())).collect()
}

/// Commands whose name begins with the word, as long as no argument and no flag of the command itself is there.
fn command_names(path: &Path<'_>, matches: &Matches, word: &str) -> Vec<Candidate> {
    let command = path.command();
    let own_flag = command.flags.iter().any(|flag| !flag.persistent && matches.given(&flag.name));
    if !matches.arguments().is_empty() || own_flag {
        return Vec::new();
    }
    let listed = command.commands().into_iter().filter(|child| child.is_available() || child.name == "help");
    let fitting = listed.filter(|child| child.name.starts_with(word));
    fitting.map(|child| Candidate::new(child.name(), child.short.as_str())).collect()
}
