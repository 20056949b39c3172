//! pflag's grammar: reads the words of one command into its flags and arguments.

use crate::command::Command;
use crate::error::Error;
use crate::flag::Flag;
use crate::matches::Matches;

/// What reading the words of a command gave.
#[derive(Debug)]
pub(crate) struct Parsed {
    pub(crate) matches: Matches,
    /// Lines about deprecated flags, also when the parse failed later.
    pub(crate) notices: Vec<String>,
    /// `-h` or `--help` stood there.
    pub(crate) help: bool,
    pub(crate) result: Result<(), Error>,
}

/// Reads `words` as flags and arguments of `command`; `flags` are its own and those it inherits.
pub(crate) fn parse(command: &Command, flags: &[&Flag], words: &[String]) -> Parsed {
    let matches = Matches::new(command, flags);
    let mut parser = Parser { flags, matches, notices: Vec::new(), help: false };
    let result = if command.raw {
        words.iter().for_each(|word| parser.matches.push_argument(word));
        Ok(())
    } else {
        parser.read(words)
    };
    let Parser { matches, notices, help, .. } = parser;
    Parsed { matches, notices, help, result }
}

struct Parser<'a> {
    flags: &'a [&'a Flag],
    matches: Matches,
    notices: Vec<String>,
    help: bool,
}

impl<'a> Parser<'a> {
    fn read(&mut self, words: &[String]) -> Result<(), Error> {
        let mut words = words.iter();
        while let Some(word) = words.next() {
            if word == "--" {
                self.matches.mark_dashes();
                words.by_ref().for_each(|word| self.matches.push_argument(word));
            } else if let Some(long) = word.strip_prefix("--") {
                self.read_long(long, &mut words)?;
            } else if let Some(letters) = word.strip_prefix('-').filter(|letters| !letters.is_empty()) {
                self.read_letters(letters, &mut words)?;
            } else {
                self.matches.push_argument(word);
            }
        }
        Ok(())
    }

    fn read_long(&mut self, word: &str, rest: &mut std::slice::Iter<'_, String>) -> Result<(), Error> {
        if word.starts_with(['-', '=']) {
            return Err(Error::BadSyntax { word: format!("--{word}") });
        }
        let (name, value) = match word.split_once('=') {
            Some((name, value)) => (name, Some(value)),
            None => (word, None),
        };
        let Some(flag) = self.flags.iter().find(|flag| flag.name == name).copied() else {
            return match name {
                "help" => self.set_help(value.unwrap_or("true")),
                _ => Err(Error::UnknownFlag { name: name.to_owned() }),
            };
        };
        let value = match value {
            Some(value) => value,
            None if flag.is_switch() => "true",
            None => match rest.next() {
                Some(value) => value,
                None => return Err(Error::NeedsValue { name: name.to_owned() }),
            },
        };
        self.set(flag, value)
    }

    /// Reads `-abc`, `-fvalue`, `-f=value` and `-f value`; `word` is without the dash.
    fn read_letters(&mut self, word: &str, rest: &mut std::slice::Iter<'_, String>) -> Result<(), Error> {
        let mut word = word;
        while let Some(letter) = word.chars().next() {
            let after = &word[letter.len_utf8()..];
            let Some(flag) = self.flags.iter().find(|flag| flag.shorthand == Some(letter)).copied() else {
                if letter != 'h' {
                    return Err(Error::UnknownShorthand { letter, word: word.to_owned() });
                }
                match after.strip_prefix('=').filter(|value| !value.is_empty()) {
                    Some(value) => return self.set_help(value),
                    None => self.help = true,
                }
                word = after;
                continue;
            };
            let assigned = after.strip_prefix('=').filter(|value| !value.is_empty());
            match assigned {
                Some(value) => return self.set(flag, value),
                None if flag.is_switch() => self.set(flag, "true")?,
                None if !after.is_empty() => return self.set(flag, after),
                None => match rest.next() {
                    Some(value) => return self.set(flag, value),
                    None => return Err(Error::ShorthandNeedsValue { letter, word: word.to_owned() }),
                },
            }
            word = after;
        }
        Ok(())
    }

    fn set_help(&mut self, value: &str) -> Result<(), Error> {
        let flag = Flag::bool("help", "").short('h');
        let mut matches = Matches::default();
        matches.set(&flag, value).map_err(|reason| invalid(&flag, value, reason))?;
        self.help = matches.bool("help");
        Ok(())
    }

    fn set(&mut self, flag: &'a Flag, value: &str) -> Result<(), Error> {
        self.matches.set(flag, value).map_err(|reason| invalid(flag, value, reason))?;
        if let Some(advice) = flag.deprecated {
            self.notices.push(format!("Flag --{} has been deprecated, {advice}", flag.name));
        }
        Ok(())
    }
}

fn invalid(flag: &Flag, value: &str, reason: String) -> Error {
    Error::InvalidValue { value: value.to_owned(), flag: flag.spelling(), reason }
}
