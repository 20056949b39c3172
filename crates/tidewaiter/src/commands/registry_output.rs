//! What the `registry` commands print: text for people, or JSON in the shapes of `az acr`.
//!
//! `id`, `resourceGroup` and other fields about a subscription are left out: there is none here. Passwords are
//! shown only where they were just made, and are null otherwise, as there.

use anyhow::Result;
use clap::ValueEnum;
use serde::Serialize;
use tidewaiter_registry::access::{GeneratedPassword, Password, ScopeMap, Slot, Token};

use crate::ui::Ui;

/// How results are printed.
#[derive(clap::Args, Clone, Copy)]
pub(crate) struct OutputArgs {
    /// How to print the result; `json` has the shape that `az acr` prints
    #[arg(long, short, value_name = "FORMAT", default_value = "text")]
    output: Format,
}

impl OutputArgs {
    /// The format.
    pub(crate) fn format(self) -> Format {
        self.output
    }
}

/// Formats of results.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// For people
    Text,
    /// For programs
    Json,
}

/// A token, as `az acr token show` prints it.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct TokenOutput {
    creation_date: String,
    credentials: Credentials,
    name: String,
    scope_map_id: String,
    status: &'static str,
}

/// What to log in with, as `az acr token credential generate` prints it.
#[derive(Serialize)]
pub(crate) struct Credentials {
    certificates: [(); 0],
    passwords: Vec<PasswordOutput>,
    username: String,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct PasswordOutput {
    creation_time: String,
    expiry: Option<String>,
    name: &'static str,
    value: Option<String>,
}

/// A scope map, as `az acr scope-map show` prints it.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ScopeMapOutput {
    actions: Vec<String>,
    creation_date: Option<String>,
    description: String,
    name: String,
    #[serde(rename = "type")]
    kind: &'static str,
}

/// Passwords that were just made.
pub(crate) type NewPasswords = [(Slot, GeneratedPassword)];

/// A token in that shape, with the values of passwords that were just made.
pub(crate) fn token(token: &Token, new: &NewPasswords) -> TokenOutput {
    TokenOutput {
        creation_date: time(token.created_at),
        credentials: credentials(token, new),
        name: token.name.clone(),
        scope_map_id: format!("/scopeMaps/{}", token.scope_map),
        status: status(token),
    }
}

/// The credentials of a token in that shape, with the values of passwords that were just made.
pub(crate) fn credentials(token: &Token, new: &NewPasswords) -> Credentials {
    let value = |password: &Password| {
        let found = new.iter().find(|(slot, _)| *slot == password.slot);
        found.map(|(_, value)| value.as_str().to_owned())
    };
    let passwords = token.passwords.iter().map(|password| PasswordOutput {
        creation_time: time(password.created_at),
        expiry: password.expires_at.map(time),
        name: password.slot.as_str(),
        value: value(password),
    });
    Credentials { certificates: [], passwords: passwords.collect(), username: token.name.clone() }
}

/// A scope map in that shape.
pub(crate) fn scope_map(map: &ScopeMap) -> ScopeMapOutput {
    ScopeMapOutput {
        actions: map.rules.to_actions(),
        creation_date: map.created_at.map(time),
        description: map.description.clone(),
        name: map.name.clone(),
        kind: if map.is_system() { "SystemDefined" } else { "UserDefined" },
    }
}

/// Whether a token may be used, in one word.
pub(crate) fn status(token: &Token) -> &'static str {
    if token.enabled { "enabled" } else { "disabled" }
}

/// A time in microseconds since 1970, as people and programs read it.
pub(crate) fn time(micros: i64) -> String {
    let time = jiff::Timestamp::from_microsecond(micros).unwrap_or_default();
    time.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}

/// Prints a result as JSON.
pub(crate) fn print_json(ui: Ui, value: &impl Serialize) -> Result<()> {
    ui.line(serde_json::to_string_pretty(value)?);
    Ok(())
}
