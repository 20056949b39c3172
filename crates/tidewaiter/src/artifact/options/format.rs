//! `--format` and `--template`: how results are written.

use serde::Serialize;
use tidewaiter_cobra::{Flag, Matches, Values};
use tidewaiter_gotemplate::{Limits, Template};

use crate::artifact::display::json;
use crate::artifact::failure::{Failure, Outcome};
use crate::environment;
use crate::ui::Ui;

/// A format: its name, how the name completes, and what help says of it.
#[derive(Debug, Clone, Copy)]
struct Kind {
    name: &'static str,
    word: &'static str,
    about: &'static str,
}

impl Kind {
    const fn new(name: &'static str, about: &'static str) -> Self {
        Self { name, word: name, about }
    }
}

const JSON: Kind = Kind::new("json", "one JSON value");
const TEMPLATE: Kind =
    Kind { name: "go-template", word: "go-template=", about: "what a Go template makes of that value" };
const TEXT: Kind = Kind::new("text", "plain text");
const TABLE: Kind = Kind::new("table", "[Deprecated] a table of what refers to it directly");
const TREE: Kind = Kind::new("tree", "a tree of all that refers to it");

/// The formats that a command knows, in the order in which help and errors list them. The last is the one
/// that is meant when none is given, as in ORAS.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Formats {
    kinds: &'static [Kind],
    words: &'static [(&'static str, &'static str)],
}

const USUAL_KINDS: [Kind; 3] = [JSON, TEMPLATE, TEXT];
const REFERRER_KINDS: [Kind; 4] = [TABLE, JSON, TEMPLATE, TREE];

/// What most commands know.
pub(crate) const USUAL: Formats = Formats { kinds: &USUAL_KINDS, words: &words(USUAL_KINDS) };

/// What `discover` knows.
pub(crate) const REFERRERS: Formats = Formats { kinds: &REFERRER_KINDS, words: &words(REFERRER_KINDS) };

/// What completion offers for formats.
const fn words<const N: usize>(kinds: [Kind; N]) -> [(&'static str, &'static str); N] {
    let mut words = [("", ""); N];
    let mut index = 0;
    while index < N {
        words[index] = (kinds[index].word, kinds[index].about);
        index += 1;
    }
    words
}

/// The flags.
pub(crate) fn flags(formats: Formats) -> [Flag; 2] {
    let kinds = formats.kinds;
    let default = kinds.last().map_or("", |kind| kind.name);
    let width = kinds.iter().map(|kind| kind.name.len()).max().unwrap_or(0) + 2;
    let lines: Vec<String> = kinds
        .iter()
        .map(|kind| {
            let pad = " ".repeat(width - kind.name.len());
            format!("'{}':{pad}{}", kind.name, kind.about)
        })
        .collect();
    let usage = format!("[Experimental] how the result is written:\n{}", lines.join("\n"));
    [
        Flag::text("format", usage).default(default).values(Values::Words(formats.words)),
        Flag::text("template", "[Experimental] Go template that --format go-template takes")
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
pub(crate) fn read(matches: &Matches, formats: Formats) -> Outcome<Format> {
    parse(matches.text("format"), matches.text("template"), formats.kinds)
}

/// Standard output takes either content or a result.
pub(crate) fn not_with_stdout(matches: &Matches) -> Failure {
    let format = matches.text("format");
    Failure::new(format!("`--output -` cannot be used with `--format {format}` at the same time"))
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
        let names: Vec<&str> = kinds.iter().map(|kind| kind.name).collect();
        let advice = format!("supported types: {}", names.join(", "));
        return Err(Failure::new(format!("invalid format type: \"{name}\"")).advice(advice));
    }
    match name {
        "json" => Ok(Format::Json),
        "tree" => Ok(Format::Tree),
        "table" => Ok(Format::Table),
        "go-template" if template.is_empty() => {
            let failure = Failure::new("\"go-template\" format specified but no template given");
            Err(failure.advice("Give it with `--template`, or as `--format go-template=TEMPLATE`"))
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
                    .render(&data, &environment::World, Limits::default())
                    .map_err(|error| Failure::new(error.to_string()))?;
                ui.out(rendered);
            }
            Self::Text | Self::Tree | Self::Table => {}
        }
        Ok(())
    }
}
