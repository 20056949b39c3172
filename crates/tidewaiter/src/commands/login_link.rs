//! `tidewaiter login-link`: a way into the dashboard without copying the token.

use std::path::PathBuf;

use anyhow::{Result, bail};
use tidewaiter_db::{Db, DbLocation, Options};
use tidewaiter_platform::access::{Access, OwnerToken};
use tidewaiter_platform::clock::Clock;

use super::{registry, up};
use crate::environment;
use crate::ui::Ui;

/// Print a link that logs into the dashboard once
#[derive(clap::Args)]
pub(crate) struct Args {
    /// The data directory of the running platform
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
    /// Where people reach the dashboard
    #[arg(long, value_name = "URL", default_value = "http://127.0.0.1:8080")]
    url: String,
}

/// Runs the command.
pub(crate) async fn run(args: Args, ui: Ui) -> Result<()> {
    let data = args.data.unwrap_or_else(|| up::default_data(false));
    let file = data.join(registry::DATABASE);
    if !file.exists() {
        bail!("{} is no data directory of tidewaiter: it has no {}", data.display(), registry::DATABASE);
    }
    let (token, _) = OwnerToken::load_or_create(&data)?;
    let db = Db::open(&DbLocation::Sqlite(file), &Options::default()).await?;
    let code = Access::new(db.clone(), Clock::new(environment::now), &token).new_login_code().await?;
    db.close().await;
    ui.line(format_args!("{}/login?code={code}", args.url.trim_end_matches('/')));
    Ok(())
}
