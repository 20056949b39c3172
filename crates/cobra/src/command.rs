//! Commands: names, help texts, flags, arguments and the commands below.

use std::borrow::Cow;

use crate::complete::Values;
use crate::flag::Flag;

/// How many positional arguments a command takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Arguments {
    /// Any number.
    #[default]
    Any,
    /// None.
    None,
    /// So many, neither more nor less.
    Exactly(usize),
    /// So many or more.
    AtLeast(usize),
    /// So many or fewer.
    AtMost(usize),
    /// From the first to the second number.
    Between(usize, usize),
}

impl Arguments {
    /// `count` arguments are right.
    #[must_use]
    pub fn accept(self, count: usize) -> bool {
        match self {
            Self::Any => true,
            Self::None => count == 0,
            Self::Exactly(n) => count == n,
            Self::AtLeast(n) => count >= n,
            Self::AtMost(n) => count <= n,
            Self::Between(low, high) => (low..=high).contains(&count),
        }
    }
}

/// A rule over several flags, checked by [`crate::Matches::validate`].
#[derive(Debug, Clone)]
pub enum Group {
    /// At most one of them.
    Exclusive(Vec<&'static str>),
    /// All of them or none.
    Together(Vec<&'static str>),
    /// At least one of them.
    OneRequired(Vec<&'static str>),
}

/// A command, or a group of commands.
#[derive(Debug, Clone)]
pub struct Command {
    pub(crate) name: Cow<'static, str>,
    pub(crate) positionals: String,
    pub(crate) aliases: Vec<&'static str>,
    pub(crate) suggest_for: Vec<&'static str>,
    pub(crate) short: String,
    pub(crate) long: String,
    pub(crate) example: String,
    pub(crate) deprecated: Option<&'static str>,
    pub(crate) hidden: bool,
    pub(crate) runnable: bool,
    pub(crate) raw: bool,
    pub(crate) flags_in_usage: bool,
    pub(crate) arguments: Arguments,
    pub(crate) argument_values: Vec<Values>,
    pub(crate) flags: Vec<Flag>,
    pub(crate) groups: Vec<Group>,
    pub(crate) commands: Vec<Self>,
}

impl Command {
    /// A command that does something. The root's name may have several words, when the program is reached
    /// through another one (`tool plugin`).
    #[must_use]
    pub fn new(name: impl Into<Cow<'static, str>>) -> Self {
        Self {
            name: name.into(),
            positionals: String::new(),
            aliases: Vec::new(),
            suggest_for: Vec::new(),
            short: String::new(),
            long: String::new(),
            example: String::new(),
            deprecated: None,
            hidden: false,
            runnable: true,
            raw: false,
            flags_in_usage: true,
            arguments: Arguments::Any,
            argument_values: Vec::new(),
            flags: Vec::new(),
            groups: Vec::new(),
            commands: Vec::new(),
        }
    }

    /// A command that only holds others; alone it shows its help.
    #[must_use]
    pub fn group(name: impl Into<Cow<'static, str>>) -> Self {
        Self { runnable: false, ..Self::new(name) }
    }

    /// What stands after the name in the usage line, for example `[flags] <name>`. ` [flags]` is added at
    /// the end when it is not in there.
    #[must_use]
    pub fn positionals(mut self, text: impl Into<String>) -> Self {
        self.positionals = text.into();
        self
    }

    /// Other names.
    #[must_use]
    pub fn aliases(mut self, aliases: &[&'static str]) -> Self {
        self.aliases = aliases.to_vec();
        self
    }

    /// Wrong names for which this command is suggested.
    #[must_use]
    pub fn suggest_for(mut self, names: &[&'static str]) -> Self {
        self.suggest_for = names.to_vec();
        self
    }

    /// One line for the list of commands.
    #[must_use]
    pub fn short(mut self, text: impl Into<String>) -> Self {
        self.short = text.into();
        self
    }

    /// The text on top of the command's own help; the short one when there is none.
    #[must_use]
    pub fn long(mut self, text: impl Into<String>) -> Self {
        self.long = text.into();
        self
    }

    /// The text under `Examples:`.
    #[must_use]
    pub fn example(mut self, text: impl Into<String>) -> Self {
        self.example = text.into();
        self
    }

    /// Leaves the command out of help and completion, and gives a notice with `advice` when it is used.
    #[must_use]
    pub fn deprecated(mut self, advice: &'static str) -> Self {
        self.deprecated = Some(advice);
        self
    }

    /// Leaves the command out of help and completion.
    #[must_use]
    pub fn hidden(mut self) -> Self {
        self.hidden = true;
        self
    }

    /// How many arguments it takes, and how they complete: the last rule holds for all further ones.
    #[must_use]
    pub fn arguments(mut self, count: Arguments, values: &[Values]) -> Self {
        self.arguments = count;
        self.argument_values = values.to_vec();
        self
    }

    /// Hands every word on as an argument, flags or not.
    #[must_use]
    pub fn raw(mut self) -> Self {
        self.raw = true;
        self
    }

    /// Does not add ` [flags]` to the usage line.
    #[must_use]
    pub fn plain_usage(mut self) -> Self {
        self.flags_in_usage = false;
        self
    }

    /// Adds a flag.
    #[must_use]
    pub fn flag(mut self, flag: Flag) -> Self {
        self.flags.push(flag);
        self
    }

    /// Adds flags.
    #[must_use]
    pub fn flags(mut self, flags: impl IntoIterator<Item = Flag>) -> Self {
        self.flags.extend(flags);
        self
    }

    /// Adds a rule over several flags.
    #[must_use]
    pub fn rule(mut self, group: Group) -> Self {
        self.groups.push(group);
        self
    }

    /// Adds a command below.
    #[must_use]
    pub fn command(mut self, command: Self) -> Self {
        self.commands.push(command);
        self
    }

    /// Replaces a word in the help texts of this command and all below: what stands for the program's name,
    /// for example.
    #[must_use]
    pub fn replace_in_texts(mut self, word: &str, with: &str) -> Self {
        for text in [&mut self.short, &mut self.long, &mut self.example] {
            if text.contains(word) {
                *text = text.replace(word, with);
            }
        }
        let commands = std::mem::take(&mut self.commands);
        self.commands = commands.into_iter().map(|command| command.replace_in_texts(word, with)).collect();
        self
    }

    /// The name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The one-line description.
    #[must_use]
    pub fn short_text(&self) -> &str {
        &self.short
    }

    /// The commands below, sorted by name.
    #[must_use]
    pub fn commands(&self) -> Vec<&Self> {
        let mut commands: Vec<_> = self.commands.iter().collect();
        commands.sort_by(|a, b| a.name.cmp(&b.name));
        commands
    }

    /// The command below that a word names.
    pub(crate) fn find(&self, word: &str) -> Option<&Self> {
        self.commands.iter().find(|command| command.name == word || command.aliases.contains(&word))
    }

    /// It is listed in help and completes. cobra keeps `help` out of this and lists it anyway.
    pub(crate) fn is_available(&self) -> bool {
        if self.hidden || self.deprecated.is_some() || self.name == "help" {
            return false;
        }
        self.runnable || self.commands.iter().any(Self::is_available)
    }
}
