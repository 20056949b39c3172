//! Parses templates: a port of the grammar of Go's `text/template/parse`, with its error texts.

use std::collections::BTreeMap;

use crate::error::Error;
use crate::format::quote;
use crate::functions;
use crate::lexer::{self, Kind, Token};
use crate::limits::MAX_DEPTH;
use crate::literal::{number, unquote};
use crate::node::{Branch, BranchKind, Call, Command, Node, Operand, OperandValue, Pipe};

/// A parsed text: its own template and those it defines, by name.
pub(crate) type Templates = BTreeMap<String, Vec<Node>>;

/// Parses a text named `name`.
pub(crate) fn parse(name: &str, text: &str) -> Result<Templates, Error> {
    let mut parser = Parser {
        name,
        tokens: lexer::tokens(text),
        next: 0,
        variables: vec!["$".to_owned()],
        templates: Templates::new(),
        depth: 0,
        loops: 0,
        action_line: 0,
    };
    let result = parser.top_level();
    result.map_err(|message| parser.error(message)).map(|body| {
        // A definition of the text's own name counts only when the text says nothing itself.
        let is_empty = body.iter().all(|node| matches!(node, Node::Text(text) if text.trim().is_empty()));
        if !(is_empty && parser.templates.contains_key(name)) {
            parser.templates.insert(name.to_owned(), body);
        }
        parser.templates
    })
}

/// How a list of nodes ended.
enum Ending {
    End,
    Else,
}

struct Parser<'a> {
    name: &'a str,
    tokens: Vec<Token>,
    next: usize,
    /// Variables in scope; scopes are cut off at their start.
    variables: Vec<String>,
    templates: Templates,
    depth: usize,
    /// How many loops are open here.
    loops: usize,
    /// Line of the action that is being read, zero outside.
    action_line: usize,
}

type Parsed<T> = Result<T, String>;

impl Parser<'_> {
    fn error(&self, message: String) -> Error {
        let line = self.tokens.get(self.next.saturating_sub(1)).map_or(1, |token| token.line);
        Error::Parse { name: self.name.to_owned(), line, message }
    }

    fn peek(&self) -> &Token {
        &self.tokens[self.next.min(self.tokens.len() - 1)]
    }

    fn take(&mut self) -> Token {
        let token = self.peek().clone();
        self.next += 1;
        token
    }

    fn skip_spaces(&mut self) {
        while self.peek().kind == Kind::Space {
            self.next += 1;
        }
    }

    fn take_word(&mut self) -> Token {
        self.skip_spaces();
        self.take()
    }

    fn peek_word(&mut self) -> Token {
        self.skip_spaces();
        self.peek().clone()
    }

    fn unexpected(&self, token: &Token, context: &str) -> String {
        if token.kind != Kind::Error {
            return format!("unexpected {} in {context}", show(token));
        }
        let mut message = token.text.clone();
        if self.action_line != 0 && self.action_line != token.line {
            let started = format!(" in action started at {}:{}", self.name, self.action_line);
            let started = match message.ends_with(" action") {
                true => started.strip_prefix(" in action").unwrap_or(&started),
                false => &started,
            };
            message.push_str(started);
        }
        message
    }

    fn expect(&mut self, kind: Kind, context: &str) -> Parsed<Token> {
        let token = self.take_word();
        if token.kind == kind { Ok(token) } else { Err(self.unexpected(&token, context)) }
    }

    /// Guards recursion: nested blocks and parentheses.
    fn nested<T>(&mut self, read: impl FnOnce(&mut Self) -> Parsed<T>) -> Parsed<T> {
        if self.depth >= MAX_DEPTH {
            return Err("max expression depth exceeded".to_owned());
        }
        self.depth += 1;
        let result = read(self);
        self.depth -= 1;
        result
    }

    fn top_level(&mut self) -> Parsed<Vec<Node>> {
        let mut nodes = Vec::new();
        while self.peek().kind != Kind::Eof {
            if self.peek().kind == Kind::LeftDelim && self.is_define() {
                self.definition()?;
                continue;
            }
            if let Some(ending) = self.text_or_action(&mut nodes)? {
                let word = match ending {
                    Ending::End => "{{end}}",
                    Ending::Else => "{{else}}",
                };
                return Err(format!("unexpected {word}"));
            }
        }
        Ok(nodes)
    }

    fn is_define(&self) -> bool {
        let mut after = self.tokens[self.next + 1..].iter().filter(|token| token.kind != Kind::Space);
        after.next().is_some_and(|token| token.kind == Kind::Keyword && token.text == "define")
    }

    /// `{{define "name"}} … {{end}}`
    fn definition(&mut self) -> Parsed<()> {
        self.take();
        self.take_word();
        let name = self.take_word();
        let name = match name.kind {
            Kind::Quoted | Kind::Raw => unquote(&name.text)?,
            _ => return Err(self.unexpected(&name, "define clause")),
        };
        self.expect(Kind::RightDelim, "define clause")?;
        let outer = std::mem::replace(&mut self.variables, vec!["$".to_owned()]);
        let loops = std::mem::take(&mut self.loops);
        let (body, ending) = self.nested(Self::list)?;
        if matches!(ending, Ending::Else) {
            return Err("unexpected {{else}} in define clause".to_owned());
        }
        self.variables = outer;
        self.loops = loops;
        self.define(name, body)
    }

    fn define(&mut self, name: String, body: Vec<Node>) -> Parsed<()> {
        let says_nothing = |body: &[Node]| {
            body.iter().all(|node| matches!(node, Node::Text(text) if text.trim().is_empty()))
        };
        match self.templates.get(&name) {
            Some(before) if says_nothing(&body) && !says_nothing(before) => Ok(()),
            Some(before) if !says_nothing(before) => {
                Err(format!("template: multiple definition of template {}", quote(&name)))
            }
            _ => {
                self.templates.insert(name, body);
                Ok(())
            }
        }
    }

    /// Nodes up to `{{end}}` or `{{else}}`, which is taken as well (up to and with the word).
    fn list(&mut self) -> Parsed<(Vec<Node>, Ending)> {
        let mut nodes = Vec::new();
        while self.peek().kind != Kind::Eof {
            if let Some(ending) = self.text_or_action(&mut nodes)? {
                return Ok((nodes, ending));
            }
        }
        self.next += 1;
        Err("unexpected EOF".to_owned())
    }

    fn text_or_action(&mut self, nodes: &mut Vec<Node>) -> Parsed<Option<Ending>> {
        let token = self.take();
        match token.kind {
            Kind::Text => {
                nodes.push(Node::Text(token.text));
                Ok(None)
            }
            Kind::LeftDelim => {
                self.action_line = token.line;
                let ending = self.action(nodes)?;
                Ok(ending)
            }
            _ => Err(self.unexpected(&token, "input")),
        }
    }

    fn action(&mut self, nodes: &mut Vec<Node>) -> Parsed<Option<Ending>> {
        let word = self.peek_word();
        if word.kind == Kind::Keyword && word.text != "nil" {
            self.next += 1;
            let node = match word.text.as_str() {
                "if" => self.branch(BranchKind::If)?,
                "with" => self.branch(BranchKind::With)?,
                "range" => self.branch(BranchKind::Range)?,
                "template" => Node::Template(self.template_call()?),
                "block" => Node::Template(self.block()?),
                "break" | "continue" => self.loop_control(&word.text)?,
                "end" => {
                    self.expect(Kind::RightDelim, "end")?;
                    return Ok(Some(Ending::End));
                }
                "else" => {
                    let next = self.peek_word();
                    let chained = next.kind == Kind::Keyword && matches!(next.text.as_str(), "if" | "with");
                    if !chained {
                        self.expect(Kind::RightDelim, "else")?;
                    }
                    return Ok(Some(Ending::Else));
                }
                _ => return Err(self.unexpected(&word, "command")),
            };
            nodes.push(node);
            return Ok(None);
        }
        let pipe = self.nested(|parser| parser.pipeline("command", Kind::RightDelim))?;
        nodes.push(Node::Action(pipe));
        Ok(None)
    }

    fn loop_control(&mut self, word: &str) -> Parsed<Node> {
        let token = self.take_word();
        if token.kind != Kind::RightDelim {
            return Err(self.unexpected(&token, &format!("{{{{{word}}}}}")));
        }
        if self.loops == 0 {
            return Err(format!("{{{{{word}}}}} outside {{{{range}}}}"));
        }
        Ok(if word == "break" { Node::Break } else { Node::Continue })
    }

    /// `{{if}}`, `{{with}}` and `{{range}}` up to and with `{{end}}`.
    fn branch(&mut self, kind: BranchKind) -> Parsed<Node> {
        self.nested(|parser| parser.branch_body(kind)).map(Node::Branch)
    }

    fn branch_body(&mut self, kind: BranchKind) -> Parsed<Branch> {
        let scope = self.variables.len();
        let pipe = self.pipeline(kind.name(), Kind::RightDelim)?;
        let in_loop = usize::from(kind == BranchKind::Range);
        self.loops += in_loop;
        let (body, ending) = self.list()?;
        self.loops -= in_loop;
        let mut otherwise = Vec::new();
        if matches!(ending, Ending::Else) {
            let word = self.peek_word();
            // `{{else if}}` leaves its action open, and shares the `{{end}}` with what is nested in it.
            let chained = match (word.kind, word.text.as_str(), kind) {
                (Kind::Keyword, "if", BranchKind::If) => Some(BranchKind::If),
                (Kind::Keyword, "with", BranchKind::With) => Some(BranchKind::With),
                _ => None,
            };
            if let Some(kind) = chained {
                self.take();
                otherwise.push(self.branch(kind)?);
            } else {
                let (nodes, ending) = self.list()?;
                if matches!(ending, Ending::Else) {
                    return Err("expected end; found {{else}}".to_owned());
                }
                otherwise = nodes;
            }
        }
        self.variables.truncate(scope);
        Ok(Branch { kind, pipe, body, otherwise })
    }

    fn template_name(&mut self, context: &str) -> Parsed<(String, usize)> {
        let token = self.take_word();
        match token.kind {
            Kind::Quoted | Kind::Raw => Ok((unquote(&token.text)?, token.position)),
            _ => Err(self.unexpected(&token, context)),
        }
    }

    fn template_call(&mut self) -> Parsed<Call> {
        let (name, position) = self.template_name("template clause")?;
        let pipe = if self.peek_word().kind == Kind::RightDelim {
            self.take();
            None
        } else {
            Some(self.nested(|parser| parser.pipeline("template clause", Kind::RightDelim))?)
        };
        Ok(Call { name, pipe, position })
    }

    /// `{{block "name" pipeline}} … {{end}}`: a definition and a call of it.
    fn block(&mut self) -> Parsed<Call> {
        let (name, position) = self.template_name("block clause")?;
        let pipe = self.nested(|parser| parser.pipeline("block clause", Kind::RightDelim))?;
        let outer = std::mem::replace(&mut self.variables, vec!["$".to_owned()]);
        let loops = std::mem::take(&mut self.loops);
        let (body, ending) = self.nested(Self::list)?;
        if matches!(ending, Ending::Else) {
            return Err("unexpected {{else}} in block clause".to_owned());
        }
        self.variables = outer;
        self.loops = loops;
        self.define(name.clone(), body)?;
        Ok(Call { name, pipe: Some(pipe), position })
    }

    /// Commands up to and with the token `end`.
    fn pipeline(&mut self, context: &str, end: Kind) -> Parsed<Pipe> {
        let position = self.peek_word().position;
        let (variables, assigns) = self.declarations(context)?;
        let mut commands: Vec<Command> = Vec::new();
        loop {
            let token = self.peek_word();
            if token.kind == end {
                self.take();
                self.check_pipeline(&commands, context)?;
                if !assigns {
                    self.variables.extend(variables.iter().cloned());
                }
                return Ok(Pipe { variables, assigns, commands, position });
            }
            match token.kind {
                Kind::Bool
                | Kind::Char
                | Kind::Dot
                | Kind::Field
                | Kind::Identifier
                | Kind::Number
                | Kind::Raw
                | Kind::Quoted
                | Kind::Variable
                | Kind::LeftParen => commands.push(self.command()?),
                Kind::Keyword if token.text == "nil" => commands.push(self.command()?),
                _ => {
                    self.take();
                    return Err(self.unexpected(&token, context));
                }
            }
        }
    }

    fn check_pipeline(&self, commands: &[Command], context: &str) -> Parsed<()> {
        if commands.is_empty() {
            return Err(format!("missing value for {context}"));
        }
        let stages = commands.iter().enumerate().skip(1);
        for (index, command) in stages {
            let first = command.operands.first().map(|operand| &operand.value);
            if matches!(
                first,
                Some(
                    OperandValue::Bool(_)
                        | OperandValue::Dot
                        | OperandValue::Nil
                        | OperandValue::Int(..)
                        | OperandValue::Float(..)
                        | OperandValue::Text(..)
                )
            ) {
                return Err(format!("non executable command in pipeline stage {}", index + 1));
            }
        }
        Ok(())
    }

    /// `$x :=`, `$x =`, and for range `$i, $x :=`; nothing when the variable is the value itself.
    fn declarations(&mut self, context: &str) -> Parsed<(Vec<String>, bool)> {
        let mut variables: Vec<String> = Vec::new();
        loop {
            let start = self.next;
            let token = self.peek_word();
            if token.kind != Kind::Variable {
                return Ok((variables, false));
            }
            self.take();
            let next = self.peek_word();
            match next.kind {
                Kind::Assign | Kind::Declare => {
                    self.take();
                    let assigns = next.kind == Kind::Assign;
                    if assigns {
                        self.check_variable(&token.text)?;
                    }
                    variables.push(token.text);
                    return Ok((variables, assigns));
                }
                Kind::Other if next.text == "," => {
                    self.take();
                    variables.push(token.text);
                    let follows = self.peek_word().kind;
                    if context != "range" || variables.len() > 1 || follows != Kind::Variable {
                        return Err(format!("too many declarations in {context}"));
                    }
                }
                _ if variables.is_empty() => {
                    self.next = start;
                    return Ok((variables, false));
                }
                _ => {
                    self.take();
                    return Err(self.unexpected(&next, "range"));
                }
            }
        }
    }

    fn check_variable(&self, name: &str) -> Parsed<()> {
        if self.variables.iter().any(|known| known == name) {
            Ok(())
        } else {
            Err(format!("undefined variable {}", quote(name)))
        }
    }

    /// Operands separated by blanks, up to `|` (which is taken) or an end (which is not).
    fn command(&mut self) -> Parsed<Command> {
        let position = self.peek_word().position;
        let mut operands = Vec::new();
        loop {
            self.skip_spaces();
            if let Some(operand) = self.operand()? {
                operands.push(operand);
            }
            let token = self.take();
            match token.kind {
                Kind::Space => continue,
                Kind::RightDelim | Kind::RightParen => self.next -= 1,
                Kind::Pipe => {
                    let after = self.peek_word();
                    if matches!(after.kind, Kind::RightDelim | Kind::RightParen) {
                        self.take();
                        return Err("missing value for command".to_owned());
                    }
                }
                _ => return Err(self.unexpected(&token, "operand")),
            }
            break;
        }
        if operands.is_empty() { Err("empty command".to_owned()) } else { Ok(Command { operands, position }) }
    }

    /// A term and the fields chained to it.
    fn operand(&mut self) -> Parsed<Option<Operand>> {
        let Some(term) = self.term()? else { return Ok(None) };
        if self.peek().kind != Kind::Field {
            return Ok(Some(term));
        }
        let position = self.peek().position;
        let mut names = Vec::new();
        while self.peek().kind == Kind::Field {
            names.push(self.take().text[1..].to_owned());
        }
        let value = match term.value {
            OperandValue::Field(mut own) => {
                own.append(&mut names);
                OperandValue::Field(own)
            }
            OperandValue::Variable(name, mut own) => {
                own.append(&mut names);
                OperandValue::Variable(name, own)
            }
            OperandValue::Bool(_)
            | OperandValue::Int(..)
            | OperandValue::Float(..)
            | OperandValue::Text(..)
            | OperandValue::Nil
            | OperandValue::Dot => {
                return Err(format!("unexpected . after term {}", quote(&term.to_string())));
            }
            _ => OperandValue::Chain(Box::new(term), names),
        };
        Ok(Some(Operand { value, position }))
    }

    fn term(&mut self) -> Parsed<Option<Operand>> {
        let token = self.peek_word();
        let value = match token.kind {
            Kind::Identifier => {
                if !functions::exists(&token.text) {
                    self.take();
                    return Err(functions::refusal(&token.text));
                }
                OperandValue::Function(token.text.clone())
            }
            Kind::Dot => OperandValue::Dot,
            Kind::Keyword if token.text == "nil" => OperandValue::Nil,
            Kind::Variable => {
                if let Err(message) = self.check_variable(&token.text) {
                    self.take();
                    return Err(message);
                }
                OperandValue::Variable(token.text.clone(), Vec::new())
            }
            Kind::Field => OperandValue::Field(vec![token.text[1..].to_owned()]),
            Kind::Bool => OperandValue::Bool(token.text == "true"),
            Kind::Char | Kind::Number => number(&token.text)?,
            Kind::Quoted | Kind::Raw => OperandValue::Text(unquote(&token.text)?, token.text.clone()),
            Kind::LeftParen => {
                self.take();
                let pipe =
                    self.nested(|parser| parser.pipeline("parenthesized pipeline", Kind::RightParen))?;
                let value = OperandValue::Pipe(Box::new(pipe));
                return Ok(Some(Operand { value, position: token.position }));
            }
            _ => return Ok(None),
        };
        self.take();
        Ok(Some(Operand { value, position: token.position }))
    }
}

/// A token as Go's errors show it.
fn show(token: &Token) -> String {
    match token.kind {
        Kind::Eof => "EOF".to_owned(),
        Kind::Error => token.text.clone(),
        Kind::Keyword => format!("<{}>", token.text),
        _ if token.text.chars().count() > 10 => {
            format!("{}...", quote(&token.text.chars().take(10).collect::<String>()))
        }
        _ => quote(&token.text),
    }
}
