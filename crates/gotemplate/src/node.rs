//! The parts of a parsed template, which print as Go prints them in errors.

use std::fmt;

/// A part of a template.
#[derive(Debug, Clone)]
pub(crate) enum Node {
    /// Text that is copied.
    Text(String),
    /// `{{pipeline}}`
    Action(Pipe),
    /// `{{if}}`, `{{with}}` or `{{range}}`.
    Branch(Branch),
    /// `{{template "name" pipeline}}`
    Template(Call),
    /// `{{break}}`
    Break,
    /// `{{continue}}`
    Continue,
}

/// A conditional or a loop.
#[derive(Debug, Clone)]
pub(crate) struct Branch {
    pub(crate) kind: BranchKind,
    pub(crate) pipe: Pipe,
    pub(crate) body: Vec<Node>,
    pub(crate) otherwise: Vec<Node>,
}

/// Which of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum BranchKind {
    If,
    With,
    Range,
}

impl BranchKind {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::If => "if",
            Self::With => "with",
            Self::Range => "range",
        }
    }
}

/// A call of another template.
#[derive(Debug, Clone)]
pub(crate) struct Call {
    pub(crate) name: String,
    pub(crate) pipe: Option<Pipe>,
    pub(crate) position: usize,
}

/// Commands joined by `|`, with the variables they set.
#[derive(Debug, Clone)]
pub(crate) struct Pipe {
    pub(crate) variables: Vec<String>,
    /// The variables exist already (`=` instead of `:=`).
    pub(crate) assigns: bool,
    pub(crate) commands: Vec<Command>,
    pub(crate) position: usize,
}

/// A value, or a function with arguments.
#[derive(Debug, Clone)]
pub(crate) struct Command {
    pub(crate) operands: Vec<Operand>,
    pub(crate) position: usize,
}

/// A word of a command, and where it stands.
#[derive(Debug, Clone)]
pub(crate) struct Operand {
    pub(crate) value: OperandValue,
    pub(crate) position: usize,
}

/// What the word is.
#[derive(Debug, Clone)]
pub(crate) enum OperandValue {
    Dot,
    Nil,
    Bool(bool),
    /// The value and the text as typed.
    Int(i64, String),
    Float(f64, String),
    /// The string and the text as typed.
    Text(String, String),
    /// `.a.b`
    Field(Vec<String>),
    /// `$x.a.b`, the name with its dollar sign.
    Variable(String, Vec<String>),
    /// A function.
    Function(String),
    /// `(pipeline)`
    Pipe(Box<Pipe>),
    /// `(pipeline).a.b`
    Chain(Box<Operand>, Vec<String>),
}

fn fields(f: &mut fmt::Formatter<'_>, names: &[String]) -> fmt::Result {
    names.iter().try_for_each(|name| write!(f, ".{name}"))
}

impl fmt::Display for Operand {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.value {
            OperandValue::Dot => f.write_str("."),
            OperandValue::Nil => f.write_str("nil"),
            OperandValue::Bool(value) => write!(f, "{value}"),
            OperandValue::Int(_, text) | OperandValue::Float(_, text) | OperandValue::Text(_, text) => {
                f.write_str(text)
            }
            OperandValue::Field(names) => fields(f, names),
            OperandValue::Variable(name, names) => {
                f.write_str(name)?;
                fields(f, names)
            }
            OperandValue::Function(name) => f.write_str(name),
            OperandValue::Pipe(pipe) => write!(f, "({pipe})"),
            OperandValue::Chain(operand, names) => {
                write!(f, "{operand}")?;
                fields(f, names)
            }
        }
    }
}

impl fmt::Display for Command {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, operand) in self.operands.iter().enumerate() {
            if index > 0 {
                f.write_str(" ")?;
            }
            write!(f, "{operand}")?;
        }
        Ok(())
    }
}

impl fmt::Display for Pipe {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.variables.is_empty() {
            let sign = if self.assigns { "=" } else { ":=" };
            write!(f, "{} {sign} ", self.variables.join(", "))?;
        }
        for (index, command) in self.commands.iter().enumerate() {
            if index > 0 {
                f.write_str(" | ")?;
            }
            write!(f, "{command}")?;
        }
        Ok(())
    }
}

impl fmt::Display for Call {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{{{{template {}", crate::format::quote(&self.name))?;
        if let Some(pipe) = &self.pipe {
            write!(f, " {pipe}")?;
        }
        f.write_str("}}")
    }
}
