//! `tidewaiter registry token`: credentials for programs, in the terms of Azure Container Registry.

use anyhow::Result;
use clap::{Subcommand, ValueEnum};
use tidewaiter_registry::Clock;
use tidewaiter_registry::access::{Slot, Token, Tokens};

use super::registry_output::{self, Format, NewPasswords, OutputArgs, print_json, status, time};
use super::registry_stores::DataArgs;
use crate::environment;
use crate::ui::Ui;

/// Microseconds in a day.
const DAY: i64 = 24 * 3600 * 1_000_000;

/// Manage the tokens that programs log in with
#[derive(Subcommand)]
pub(crate) enum Command {
    /// Make a token and its two passwords, which are shown once
    Create(CreateArgs),
    /// List the tokens
    List(ListArgs),
    /// Show a token
    Show(NameArgs),
    /// Make a new password in place of one of the two
    Password(PasswordArgs),
    /// Give a token another scope map
    SetScopeMap(SetScopeMapArgs),
    /// Let a disabled token be used again
    Enable(NameArgs),
    /// Keep a token from being used
    Disable(NameArgs),
    /// Delete a token
    Delete(DeleteArgs),
}

/// Arguments of `registry token create`.
#[derive(clap::Args)]
pub(crate) struct CreateArgs {
    /// Name of the token, which is the user name to log in with
    name: String,
    /// What the token may do; see `tidewaiter registry scope-map list`
    #[arg(long, value_name = "MAP", default_value = "_repositories_pull_metadata_read")]
    scope_map: String,
    /// When the passwords stop working; without it they do not
    #[arg(long, value_name = "DAYS", value_parser = clap::value_parser!(u32).range(1..=36_500))]
    expires_in_days: Option<u32>,
    #[command(flatten)]
    output: OutputArgs,
    #[command(flatten)]
    data: DataArgs,
}

/// Arguments of `registry token list`.
#[derive(clap::Args)]
pub(crate) struct ListArgs {
    #[command(flatten)]
    output: OutputArgs,
    #[command(flatten)]
    data: DataArgs,
}

/// Arguments of `registry token delete`.
#[derive(clap::Args)]
pub(crate) struct DeleteArgs {
    /// Name of the token
    name: String,
    #[command(flatten)]
    data: DataArgs,
}

/// Arguments of commands about one token.
#[derive(clap::Args)]
pub(crate) struct NameArgs {
    /// Name of the token
    name: String,
    #[command(flatten)]
    output: OutputArgs,
    #[command(flatten)]
    data: DataArgs,
}

/// Arguments of `registry token password`.
#[derive(clap::Args)]
pub(crate) struct PasswordArgs {
    /// Name of the token
    name: String,
    /// Which of the two
    slot: SlotWord,
    /// When the password stops working; without it, it does not
    #[arg(long, value_name = "DAYS", value_parser = clap::value_parser!(u32).range(1..=36_500))]
    expires_in_days: Option<u32>,
    #[command(flatten)]
    output: OutputArgs,
    #[command(flatten)]
    data: DataArgs,
}

/// Arguments of `registry token set-scope-map`.
#[derive(clap::Args)]
pub(crate) struct SetScopeMapArgs {
    /// Name of the token
    name: String,
    /// Name of the scope map
    scope_map: String,
    #[command(flatten)]
    output: OutputArgs,
    #[command(flatten)]
    data: DataArgs,
}

#[derive(Clone, Copy, ValueEnum)]
enum SlotWord {
    /// The first
    Password1,
    /// The second
    Password2,
}

async fn tokens(data: &DataArgs) -> Result<Tokens> {
    Ok(Tokens::new(data.open_database().await?, Clock::new(environment::now)))
}

fn expiry(days: Option<u32>) -> Option<i64> {
    days.map(|days| environment::now().saturating_add(i64::from(days) * DAY))
}

/// Runs the command.
pub(crate) async fn run(command: Command, ui: Ui) -> Result<()> {
    match command {
        Command::Create(args) => create(args, ui).await,
        Command::List(args) => list(args, ui).await,
        Command::Show(args) => {
            let token = tokens(&args.data).await?.get(&args.name).await?;
            match args.output.format() {
                Format::Text => show(ui, &token),
                Format::Json => print_json(ui, &registry_output::token(&token, &[]))?,
            }
            Ok(())
        }
        Command::Password(args) => password(args, ui).await,
        Command::SetScopeMap(args) => {
            let tokens = tokens(&args.data).await?;
            tokens.set_scope_map(&args.name, &args.scope_map).await?;
            changed(&tokens, &args.name, args.output, ui).await
        }
        Command::Enable(args) => {
            let tokens = tokens(&args.data).await?;
            tokens.enable(&args.name).await?;
            changed(&tokens, &args.name, args.output, ui).await
        }
        Command::Disable(args) => {
            let tokens = tokens(&args.data).await?;
            tokens.disable(&args.name).await?;
            changed(&tokens, &args.name, args.output, ui).await
        }
        Command::Delete(args) => Ok(tokens(&args.data).await?.delete(&args.name).await?),
    }
}

/// Programs are told what a token has become; people have just said it themselves.
async fn changed(tokens: &Tokens, name: &str, output: OutputArgs, ui: Ui) -> Result<()> {
    match output.format() {
        Format::Text => Ok(()),
        Format::Json => print_json(ui, &registry_output::token(&tokens.get(name).await?, &[])),
    }
}

async fn create(args: CreateArgs, ui: Ui) -> Result<()> {
    let tokens = tokens(&args.data).await?;
    tokens.create(&args.name, &args.scope_map).await?;
    let expires = expiry(args.expires_in_days);
    let mut passwords = Vec::new();
    for slot in Slot::BOTH {
        passwords.push((slot, tokens.generate_password(&args.name, slot, expires).await?));
    }
    match args.output.format() {
        Format::Text => {
            ui.line(format_args!("Token      {}", args.name));
            ui.line(format_args!("Scope map  {}", args.scope_map));
            for (slot, password) in &passwords {
                ui.line(format_args!("{}  {}", slot.as_str(), password.as_str()));
            }
        }
        Format::Json => {
            print_json(ui, &registry_output::token(&tokens.get(&args.name).await?, &passwords))?;
        }
    }
    ui.note("The passwords are not kept and cannot be shown again.");
    Ok(())
}

async fn list(args: ListArgs, ui: Ui) -> Result<()> {
    let tokens = tokens(&args.data).await?.list().await?;
    if args.output.format() == Format::Json {
        let tokens: Vec<_> = tokens.iter().map(|token| registry_output::token(token, &[])).collect();
        return print_json(ui, &tokens);
    }
    let width = tokens.iter().map(|token| token.name.len()).max().unwrap_or(0);
    for token in &tokens {
        ui.line(format_args!("{:<width$}  {:<8}  {}", token.name, status(token), token.scope_map));
    }
    Ok(())
}

fn show(ui: Ui, token: &Token) {
    ui.line(format_args!("Token      {}", token.name));
    ui.line(format_args!("Status     {}", status(token)));
    ui.line(format_args!("Scope map  {}", token.scope_map));
    ui.line(format_args!("Made       {}", time(token.created_at)));
    for password in &token.passwords {
        let expires = match password.expires_at {
            Some(at) if password.is_expired(environment::now()) => format!("expired {}", time(at)),
            Some(at) => format!("expires {}", time(at)),
            None => "does not expire".to_owned(),
        };
        ui.line(format_args!("{}  made {}, {expires}", password.slot.as_str(), time(password.created_at)));
    }
}

async fn password(args: PasswordArgs, ui: Ui) -> Result<()> {
    let slot = match args.slot {
        SlotWord::Password1 => Slot::Password1,
        SlotWord::Password2 => Slot::Password2,
    };
    let tokens = tokens(&args.data).await?;
    let password = tokens.generate_password(&args.name, slot, expiry(args.expires_in_days)).await?;
    match args.output.format() {
        Format::Text => ui.line(password.as_str()),
        Format::Json => {
            let new: &NewPasswords = &[(slot, password)];
            print_json(ui, &registry_output::credentials(&tokens.get(&args.name).await?, new))?;
        }
    }
    Ok(())
}
