//! Go text/template with the functions of sprig, over JSON values.
//!
//! A [`Template`] is parsed once and rendered on any number of values. Syntax, the way values print and the
//! wording of errors follow Go's `text/template`, `fmt` and `encoding/json` (Go 1.23) and sprig 3.3, so that
//! templates written for Go programs give the same text here. Templates come from command lines and from
//! settings that other people typed: every rendering is bounded ([`Limits`]), recursion is limited, and
//! functions learn of the environment, the network, chance and the clock only what [`Surroundings`] tell them.
//!
//! `gtmpl`, the one crate of this kind, follows Go of 2017: no `break`, `else with` or sprig, unbounded
//! recursion, and values and errors that print differently.

mod error;
mod execute;
mod float;
mod format;
mod functions;
mod lexer;
mod limits;
mod literal;
mod node;
mod parser;
mod surroundings;
mod value;

pub use error::Error;
pub use limits::Limits;
pub use surroundings::{Nothing, Surroundings};

use functions::Context;
use limits::Budget;
use parser::Templates;
use value::Value;

/// A parsed template.
#[derive(Debug, Clone)]
pub struct Template {
    name: String,
    text: String,
    templates: Templates,
}

impl Template {
    /// Parses a text. The name is what errors call it.
    pub fn parse(name: &str, text: &str) -> Result<Self, Error> {
        let templates = parser::parse(name, text)?;
        Ok(Self { name: name.to_owned(), text: text.to_owned(), templates })
    }

    /// Renders it on data, whose numbers are Go's `float64`, as they are after `encoding/json`.
    pub fn render(
        &self,
        data: &serde_json::Value,
        surroundings: &dyn Surroundings,
        limits: Limits,
    ) -> Result<String, Error> {
        let program =
            execute::Program { name: &self.name, text: &self.text, templates: &self.templates, limits };
        let context = Context { budget: Budget::new(limits), surroundings };
        execute::run(&program, Value::from_json(data), context)
    }
}
