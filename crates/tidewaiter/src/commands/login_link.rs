//! `tidewaiter login-link`: a way into the dashboard without copying the token.

use anyhow::Result;
use tidewaiter_platform::access::{Access, OwnerToken};
use tidewaiter_platform::clock::Clock;

use super::registry_stores::DataArgs;
use crate::environment;
use crate::ui::Ui;

/// Print a link that logs into the dashboard once
#[derive(clap::Args)]
pub(crate) struct Args {
    /// Where people reach the dashboard
    #[arg(long, value_name = "URL", default_value = "http://127.0.0.1:8080")]
    url: String,
    #[command(flatten)]
    data: DataArgs,
}

/// Runs the command.
pub(crate) async fn run(args: Args, ui: Ui) -> Result<()> {
    let db = args.data.open_database().await?;
    let (token, _) = OwnerToken::load_or_create(&args.data.directory())?;
    let code = Access::new(db.clone(), Clock::new(environment::now), &token).new_login_code().await?;
    db.close().await;
    ui.line(format_args!("{}/login?code={code}", args.url.trim_end_matches('/')));
    Ok(())
}
