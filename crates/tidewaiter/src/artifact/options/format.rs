//! `--format` and `--template`: how results are written.

use serde::Serialize;
use tidewaiter_cobra::{Flag, Matches, Values};
use tidewaiter_gotemplate::{Limits, Template};

use crate::artifact::display::json;
use crate::artifact::failure::{Failure, Outcome};
use crate::environment;
use crate::ui::Ui;

/// A format that a command knows: its name and what help says of it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Kind {
    name: &'static str,
    about: &'static str,
}

pub(crate) const JSON: Kind = Kind { name: "json", about: "Print in JSON format" };
pub(crate) const TEMPLATE: Kind =
    Kind { name: "go-template", about: "Print output using the given Go template" };
pub(crate) const TEXT: Kind = Kind { name: "text", about: "Print in text format" };
pub(crate) const TABLE: Kind =
    Kind { name: "table", about: "[Deprecated] Get direct referrers and output in table format" };
pub(crate) const TREE: Kind =
    Kind { name: "tree", about: "Get referrers recursively and print in tree format" };

/// What most commands know.
pub(crate) const USUAL: &[Kind] = &[JSON, TEMPLATE, TEXT];

/// The flags; `default` is the value that stands for none given.
pub(crate) fn flags(kinds: &[Kind], default: &'static str) -> [Flag; 2] {
    let width = kinds.iter().map(|kind| kind.name.len()).max().unwrap_or(0) + 2;
    let lines: Vec<String> = kinds
        .iter()
        .map(|kind| {
            let pad = " ".repeat(width - kind.name.len());
            format!("'{}':{pad}{}", kind.name, kind.about)
        })
        .collect();
    let usage = format!("[Experimental] format output using a custom template:\n{}", lines.join("\n"));
    let words = Values::Words(&[
        ("json", "Print in JSON format"),
        ("go-template=", "Print output using the given Go template"),
        ("text", "Print in text format"),
    ]);
    [
        Flag::text("format", usage).default(default).values(words),
        Flag::text("template", "[Experimental] template string used to format output")
            .values(Values::Nothing),
    ]
}

/// How results are to be written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Format {
    Text,
    Json,
    Template(String),
    /// `discover` only.
    Tree,
    /// `discover` only.
    Table,
}

/// Reads `--format` and `--template`.
pub(crate) fn read(matches: &Matches, kinds: &[Kind]) -> Outcome<Format> {
    parse(matches.text("format"), matches.text("template"), kinds)
}

fn parse(format: &str, template: &str, kinds: &[Kind]) -> Outcome<Format> {
    let (name, template) = match format.strip_prefix("go-template=") {
        _ if !template.is_empty() && format != TEMPLATE.name => {
            return Err(Failure::new("--template must be used with --format go-template"));
        }
        Some(template) => (TEMPLATE.name, template),
        None => (format, template),
    };
    if !name.is_empty() && !kinds.iter().any(|kind| kind.name == name) {
        let mut names: Vec<&str> = kinds.iter().map(|kind| kind.name).collect();
        names.sort_unstable();
        let advice = format!("supported types: {}", names.join(", "));
        return Err(Failure::new(format!("invalid format type: \"{name}\"")).advice(advice));
    }
    match name {
        "json" => Ok(Format::Json),
        "tree" => Ok(Format::Tree),
        "table" => Ok(Format::Table),
        "go-template" if template.is_empty() => {
            let failure = Failure::new("\"go-template\" format specified but no template given");
            Err(failure.advice("use `--format go-template=TEMPLATE` to specify the template"))
        }
        "go-template" => Ok(Format::Template(template.to_owned())),
        _ => Ok(Format::Text),
    }
}

impl Format {
    /// The result is data for programs: no status lines belong with it.
    pub(crate) fn is_structured(&self) -> bool {
        matches!(self, Self::Json | Self::Template(_))
    }

    /// Writes a result that is data. Nothing for the formats for people: their commands write those.
    pub(crate) fn write(&self, ui: Ui, result: &impl Serialize) -> Outcome {
        match self {
            Self::Json => ui.line(json::pretty(result)),
            Self::Template(text) => {
                let template = Template::parse("format output", text)
                    .map_err(|error| Failure::new(error.to_string()))?;
                let data = serde_json::to_value(result).map_err(|error| Failure::new(error.to_string()))?;
                let rendered = template
                    .render(&data, Some(environment::local_time()), Limits::default())
                    .map_err(|error| Failure::new(error.to_string()))?;
                ui.out(rendered);
            }
            Self::Text | Self::Tree | Self::Table => {}
        }
        Ok(())
    }
}
