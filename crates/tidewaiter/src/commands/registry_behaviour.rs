//! What `tidewaiter registry serve` is told about how the registry behaves: switches, garbage, events, TLS.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::Result;
use tidewaiter_registry::{CollectOptions, Options, Tls};

use super::registry_webhooks;

/// How the registry behaves.
#[derive(clap::Args)]
#[command(next_help_heading = "Behaviour of the registry")]
pub(crate) struct BehaviourArgs {
    /// Refuse everything that would change something
    #[arg(long)]
    read_only: bool,
    /// Refuse to delete manifests, tags and blobs
    #[arg(long)]
    no_delete: bool,
    /// Behave as registries before distribution-spec 1.1 do, which have no referrers API
    #[arg(long)]
    no_referrers: bool,
    /// When a manifest is deleted, keep the signatures, SBOMs and reports that refer to it
    #[arg(long)]
    keep_referrers: bool,
    /// Take manifests without all the content that they name, such as an index with one of its images
    #[arg(long)]
    sparse: bool,
    /// How often garbage is collected, like `12h` or `never`
    #[arg(long, value_name = "TIME", default_value = "24h", value_parser = parse_interval)]
    gc_every: Interval,
    /// Keep what a client uploaded or asked for in this time before garbage is collected, like `90m`, and up to
    /// an hour longer; `0s` keeps nothing
    #[arg(long, value_name = "TIME", default_value = "24h", value_parser = parse_time)]
    gc_grace: Duration,
    /// Collect manifests that have no tag and that no index lists, too
    #[arg(long)]
    gc_untagged: bool,
    /// JSON file of the receivers that pushes and deletes are posted to:
    /// [{"name": …, "url": …, "format": "acr" or "event-grid", "scope": "repository:tag", "headers": {…}}]
    #[arg(long, value_name = "FILE")]
    webhooks: Option<PathBuf>,
    /// Log every request on standard error
    #[arg(long)]
    access_log: bool,
}

impl BehaviourArgs {
    /// The same options with these settings.
    pub(crate) fn apply(&self, options: Options) -> Result<Options> {
        let webhooks = self.webhooks.as_deref().map(registry_webhooks::read).transpose()?;
        Ok(Options {
            read_only: self.read_only,
            deletes: !self.no_delete,
            referrers: !self.no_referrers,
            delete_referrers: !self.keep_referrers,
            sparse: self.sparse,
            grace: self.gc_grace,
            collect_every: self.gc_every.0,
            collect: CollectOptions { dry_run: false, untagged: self.gc_untagged },
            webhooks: webhooks.unwrap_or_default(),
            ..options
        })
    }

    /// Requests are to be logged.
    pub(crate) fn logs_access(&self) -> bool {
        self.access_log
    }
}

/// TLS for everything that is served.
#[derive(clap::Args)]
#[command(next_help_heading = "TLS")]
pub(crate) struct TlsArgs {
    /// Speak HTTPS with this certificate, followed by those that signed it, in PEM; read again when it
    /// changes
    #[arg(long, value_name = "FILE", requires = "tls_key")]
    tls_cert: Option<PathBuf>,
    /// Private key of the certificate, in PEM
    #[arg(long, value_name = "FILE", requires = "tls_cert")]
    tls_key: Option<PathBuf>,
}

impl TlsArgs {
    /// Reads the files, when there are some.
    pub(crate) fn load(&self) -> Result<Option<Tls>> {
        let (Some(certificate), Some(key)) = (&self.tls_cert, &self.tls_key) else { return Ok(None) };
        Ok(Some(Tls::from_files(certificate, key)?))
    }
}

/// Time between two things, or never.
#[derive(Clone, Copy)]
struct Interval(Option<Duration>);

fn parse_interval(text: &str) -> Result<Interval, String> {
    match text {
        "never" => Ok(Interval(None)),
        text => match parse_time(text)? {
            Duration::ZERO => Err("give a time like 12h, or never".to_owned()),
            time => Ok(Interval(Some(time))),
        },
    }
}

/// Reads a time like `90m` or `1h 30m`.
pub(crate) fn parse_time(text: &str) -> Result<Duration, String> {
    let time: Result<jiff::SignedDuration, _> = text.parse();
    let time = time.ok().and_then(|time| Duration::try_from(time).ok());
    time.ok_or_else(|| "give a time like 90m, 12h or 1h 30m".to_owned())
}
