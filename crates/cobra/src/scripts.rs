//! Completion scripts: small shell programs that ask the program's `__complete` command.

use crate::command::{Arguments, Command};
use crate::complete::Values;
use crate::flag::Flag;

/// A shell that we write a script for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shell {
    /// GNU bash 4 or later; needs no package.
    Bash,
    /// Z shell.
    Zsh,
    /// fish 3 or later.
    Fish,
    /// PowerShell 5 or later.
    PowerShell,
}

impl Shell {
    pub(crate) const ALL: [Self; 4] = [Self::Bash, Self::Zsh, Self::Fish, Self::PowerShell];

    pub(crate) fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|shell| shell.name() == name)
    }

    /// The name, as the `completion` command spells it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Bash => "bash",
            Self::Zsh => "zsh",
            Self::Fish => "fish",
            Self::PowerShell => "powershell",
        }
    }

    fn template(self) -> &'static str {
        match self {
            Self::Bash => include_str!("scripts/completion.bash"),
            Self::Zsh => include_str!("scripts/completion.zsh"),
            Self::Fish => include_str!("scripts/completion.fish"),
            Self::PowerShell => include_str!("scripts/completion.ps1"),
        }
    }

    /// How to load the script now and for good.
    fn instructions(self, program: &str) -> String {
        let file = program.replace(' ', "-");
        match self {
            Self::Bash => format!(
                "Example - Complete in this shell:\n  eval \"$({program} completion bash)\"\n\n\
                 Example - Complete in every shell from now on:\n  \
                 echo 'eval \"$({program} completion bash)\"' >> ~/.bashrc"
            ),
            Self::Zsh => format!(
                "It needs zsh's own completion, which `autoload -Uz compinit && compinit` switches on.\n\n\
                 Example - Complete in this shell:\n  . <({program} completion zsh)\n\n\
                 Example - Complete in every shell from now on; the line belongs below the one with compinit:\n  \
                 echo '. <({program} completion zsh)' >> ~/.zshrc"
            ),
            Self::Fish => format!(
                "Example - Complete in every shell from now on:\n  \
                 {program} completion fish > ~/.config/fish/conf.d/{file}.fish"
            ),
            Self::PowerShell => format!(
                "Example - Complete in this shell:\n  \
                 Invoke-Expression ({program} completion powershell | Out-String)\n\n\
                 Example - Complete in every shell from now on:\n  \
                 {program} completion powershell >> $PROFILE"
            ),
        }
    }

    /// The `completion` command's sub-command for this shell.
    pub(crate) fn command(self, program: &str) -> Command {
        let name = self.name();
        Command::new(name)
            .short(format!("Print the script for {name}"))
            .long(format!("Print the script for {name}\n\n{}", self.instructions(program)))
            .arguments(Arguments::None, &[Values::Nothing])
            .flag(Flag::bool("no-descriptions", "complete words without a description beside them"))
    }

    /// The script for a program; `invocation` is the program and the words that lead to the tree, separated
    /// by spaces.
    #[must_use]
    pub fn script(self, invocation: &str, descriptions: bool) -> String {
        let mut words = invocation.split(' ');
        let program = words.next().unwrap_or_default();
        let lead: Vec<&str> = words.collect();
        let identifier: String =
            invocation.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '_' }).collect();
        let request = if descriptions { "__complete" } else { "__completeNoDesc" };
        self.template()
            .replace("@PROGRAM@", program)
            .replace("@LEAD@", &lead.join(" "))
            .replace("@LEAD_COUNT@", &lead.len().to_string())
            .replace("@ID@", &identifier)
            .replace("@REQUEST@", request)
    }
}
