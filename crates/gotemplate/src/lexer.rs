//! Splits a template into text and the tokens of its actions, as Go's `text/template/parse` does.

/// What a token is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Text outside actions.
    Text,
    /// `{{`, with or without a trim marker.
    LeftDelim,
    /// `}}`, with or without a trim marker.
    RightDelim,
    /// Blanks inside an action, where they separate arguments.
    Space,
    /// A function's name.
    Identifier,
    /// `if`, `range` and the other reserved words.
    Keyword,
    /// `true` or `false`.
    Bool,
    /// `.name`.
    Field,
    /// `.` alone.
    Dot,
    /// `$` or `$name`.
    Variable,
    /// A number.
    Number,
    /// A character in single quotes.
    Char,
    /// A string in double quotes.
    Quoted,
    /// A string in back quotes.
    Raw,
    /// `=`
    Assign,
    /// `:=`
    Declare,
    /// `|`
    Pipe,
    /// `(`
    LeftParen,
    /// `)`
    RightParen,
    /// Any other printable character, such as `,`.
    Other,
    /// What cannot be a token; the text says why.
    Error,
    /// The end of the template.
    Eof,
}

/// A token.
#[derive(Debug, Clone)]
pub(crate) struct Token {
    pub(crate) kind: Kind,
    /// The text, or for [`Kind::Error`] the message.
    pub(crate) text: String,
    /// Where it begins, in bytes.
    pub(crate) position: usize,
    /// Its line, from one.
    pub(crate) line: usize,
}

const KEYWORDS: &[&str] =
    &["block", "break", "continue", "define", "else", "end", "if", "nil", "range", "template", "with"];

const SPACES: &[char] = &[' ', '\t', '\r', '\n'];

/// Splits a whole template. The last token is [`Kind::Eof`] or [`Kind::Error`].
pub(crate) fn tokens(input: &str) -> Vec<Token> {
    let mut lexer = Lexer { input, position: 0, line: 1, tokens: Vec::new() };
    if let Err(message) = lexer.run() {
        let (position, line) = (lexer.position, lexer.line);
        lexer.tokens.push(Token { kind: Kind::Error, text: message, position, line });
    }
    lexer.tokens
}

struct Lexer<'a> {
    input: &'a str,
    position: usize,
    line: usize,
    tokens: Vec<Token>,
}

impl<'a> Lexer<'a> {
    fn rest(&self) -> &'a str {
        &self.input[self.position..]
    }

    /// Takes `length` bytes as a token.
    fn emit(&mut self, kind: Kind, length: usize) {
        let text = self.rest()[..length].to_owned();
        let token = Token { kind, text, position: self.position, line: self.line };
        self.skip(length);
        self.tokens.push(token);
    }

    /// Takes `length` bytes as nothing.
    fn skip(&mut self, length: usize) {
        self.line += self.rest()[..length].matches('\n').count();
        self.position += length;
    }

    fn run(&mut self) -> Result<(), String> {
        loop {
            let rest = self.rest();
            let Some(action) = rest.find("{{") else {
                if !rest.is_empty() {
                    self.emit(Kind::Text, rest.len());
                }
                self.emit(Kind::Eof, 0);
                return Ok(());
            };
            let trims = has_left_trim(&rest[action + 2..]);
            let text = &rest[..action];
            let kept = if trims { text.trim_end_matches(SPACES) } else { text };
            if !kept.is_empty() {
                self.emit(Kind::Text, kept.len());
            }
            self.skip(action - kept.len());
            let marker = if trims { 2 } else { 0 };
            if self.rest()[2 + marker..].starts_with("/*") {
                self.comment(2 + marker)?;
            } else {
                self.emit(Kind::LeftDelim, 2);
                self.skip(marker);
                self.action()?;
            }
        }
    }

    /// Skips a comment that fills its action.
    fn comment(&mut self, delimiter: usize) -> Result<(), String> {
        let body = &self.rest()[delimiter..];
        let Some(end) = body.find("*/") else { return Err("unclosed comment".to_owned()) };
        let Some((close, trims)) = right_delimiter(&body[end + 2..]) else {
            return Err("comment ends before closing delimiter".to_owned());
        };
        self.skip(delimiter + end + 2 + close);
        if trims {
            self.skip_spaces();
        }
        Ok(())
    }

    fn skip_spaces(&mut self) {
        let rest = self.rest();
        self.skip(rest.len() - rest.trim_start_matches(SPACES).len());
    }

    /// Reads the tokens of an action up to and with its closing delimiter.
    fn action(&mut self) -> Result<(), String> {
        let mut open_parens = 0_usize;
        loop {
            let rest = self.rest();
            if let Some((close, trims)) = right_delimiter(rest) {
                if open_parens > 0 {
                    return Err("unclosed left paren".to_owned());
                }
                self.emit(Kind::RightDelim, close);
                if trims {
                    self.skip_spaces();
                }
                return Ok(());
            }
            let Some(first) = rest.chars().next() else { return Err("unclosed action".to_owned()) };
            let second = rest[first.len_utf8()..].chars().next();
            match first {
                blank if SPACES.contains(&blank) => self.spaces(),
                '=' => self.emit(Kind::Assign, 1),
                ':' if second == Some('=') => self.emit(Kind::Declare, 2),
                ':' => return Err("expected :=".to_owned()),
                '|' => self.emit(Kind::Pipe, 1),
                '"' => self.quoted('"', Kind::Quoted, "unterminated quoted string")?,
                '\'' => self.quoted('\'', Kind::Char, "unterminated character constant")?,
                '`' => match rest[1..].find('`') {
                    Some(end) => self.emit(Kind::Raw, end + 2),
                    None => return Err("unterminated raw quoted string".to_owned()),
                },
                '$' => self.name(Kind::Variable, Kind::Variable)?,
                '.' if !second.is_some_and(|c| c.is_ascii_digit()) => self.name(Kind::Field, Kind::Dot)?,
                '(' => {
                    open_parens += 1;
                    self.emit(Kind::LeftParen, 1);
                }
                ')' => {
                    open_parens = open_parens.checked_sub(1).ok_or("unexpected right paren")?;
                    self.emit(Kind::RightParen, 1);
                }
                '+' | '-' | '.' | '0'..='9' => self.number()?,
                letter if is_alphanumeric(letter) => self.word()?,
                other if other.is_ascii() && !other.is_ascii_control() => self.emit(Kind::Other, 1),
                other => return Err(format!("unrecognized character in action: {}", code_point(other))),
            }
        }
    }

    /// Blanks, but not the one that belongs to a closing trim marker.
    fn spaces(&mut self) {
        let rest = self.rest();
        let mut length = rest.len() - rest.trim_start_matches(SPACES).len();
        if rest[length..].starts_with("-}}") {
            length -= 1;
        }
        if length > 0 {
            self.emit(Kind::Space, length);
        }
    }

    fn quoted(&mut self, quote: char, kind: Kind, unterminated: &str) -> Result<(), String> {
        let rest = self.rest();
        let mut characters = rest.char_indices().skip(1);
        while let Some((position, character)) = characters.next() {
            match character {
                '\\' => match characters.next() {
                    Some((_, escaped)) if escaped != '\n' => {}
                    _ => break,
                },
                '\n' => break,
                character if character == quote => {
                    self.emit(kind, position + 1);
                    return Ok(());
                }
                _ => {}
            }
        }
        Err(unterminated.to_owned())
    }

    /// A field or a variable: a mark and a name that may be missing.
    fn name(&mut self, named: Kind, bare: Kind) -> Result<(), String> {
        let rest = self.rest();
        let length = word_length(&rest[1..]);
        self.check_terminator(1 + length)?;
        self.emit(if length == 0 { bare } else { named }, 1 + length);
        Ok(())
    }

    fn word(&mut self) -> Result<(), String> {
        let rest = self.rest();
        let length = word_length(rest);
        self.check_terminator(length)?;
        let kind = match &rest[..length] {
            word if KEYWORDS.contains(&word) => Kind::Keyword,
            "true" | "false" => Kind::Bool,
            _ => Kind::Identifier,
        };
        self.emit(kind, length);
        Ok(())
    }

    /// What follows a name must end it.
    fn check_terminator(&self, length: usize) -> Result<(), String> {
        let rest = &self.rest()[length..];
        match rest.chars().next() {
            None => Ok(()),
            Some(c) if SPACES.contains(&c) || matches!(c, '.' | ',' | '|' | ':' | '(' | ')' | '=') => Ok(()),
            Some(_) if rest.starts_with("}}") => Ok(()),
            Some(c) => Err(format!("bad character {}", code_point(c))),
        }
    }

    fn number(&mut self) -> Result<(), String> {
        let rest = self.rest();
        let unsigned = rest.trim_start_matches(['+', '-']);
        let sign = (rest.len() - unsigned.len()).min(1);
        let body = &rest[sign..];
        let end = body.find(|c| !(is_alphanumeric(c) || matches!(c, '.' | '+' | '-'))).unwrap_or(body.len());
        let body = &body[..end];
        let lower = body.to_ascii_lowercase();
        let (prefix, digits, exponents): (usize, &str, &[u8]) = match lower.as_bytes() {
            [b'0', b'x', ..] => (2, "0123456789abcdef_", b"p"),
            [b'0', b'o', ..] => (2, "01234567_", b""),
            [b'0', b'b', ..] => (2, "01_", b""),
            _ => (0, "0123456789_", b"e"),
        };
        let take = |from: usize| lower[from..].bytes().take_while(|b| digits.as_bytes().contains(b)).count();
        let mut length = prefix + take(prefix);
        if lower[length..].starts_with('.') {
            length += 1;
            length += take(length);
        }
        if lower[length..].bytes().next().is_some_and(|b| exponents.contains(&b)) {
            length += 1;
            length += usize::from(lower[length..].starts_with(['+', '-']));
            length += lower[length..].bytes().take_while(u8::is_ascii_digit).count();
        }
        if let Some(next) = body[length..].chars().next().filter(|c| is_alphanumeric(*c)) {
            let bad = &rest[..sign + length + next.len_utf8()];
            return Err(format!("bad number syntax: {}", crate::format::quote(bad)));
        }
        if length == 0 {
            let bad: String = rest.chars().take(2).collect();
            return Err(format!("bad number syntax: {}", crate::format::quote(&bad)));
        }
        self.emit(Kind::Number, sign + length);
        Ok(())
    }
}

fn is_alphanumeric(character: char) -> bool {
    character == '_' || character.is_alphanumeric()
}

fn word_length(text: &str) -> usize {
    text.find(|c| !is_alphanumeric(c)).unwrap_or(text.len())
}

/// After `{{`: a minus and a blank take the blanks before the action away.
fn has_left_trim(after: &str) -> bool {
    let mut characters = after.chars();
    characters.next() == Some('-') && characters.next().is_some_and(|c| SPACES.contains(&c))
}

/// `}}` or ` -}}`: its length, and whether it takes the blanks after the action away.
fn right_delimiter(text: &str) -> Option<(usize, bool)> {
    let first = text.chars().next()?;
    if SPACES.contains(&first) && text[1..].starts_with("-}}") {
        return Some((4, true));
    }
    text.starts_with("}}").then_some((2, false))
}

/// A character as Go's `%#U` shows it.
fn code_point(character: char) -> String {
    let code = character as u32;
    if character.is_control() { format!("U+{code:04X}") } else { format!("U+{code:04X} '{character}'") }
}
