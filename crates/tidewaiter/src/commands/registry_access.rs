//! What `tidewaiter registry serve` is told about who may do what.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::ValueEnum;
use tidewaiter_registry::{Anonymous, Challenge, Names, Options};
use url::Url;

/// Access to the registry.
#[derive(clap::Args)]
#[command(next_help_heading = "Access")]
pub(crate) struct AccessArgs {
    /// What clients without credentials may do [default: everything on a loopback address without --htpasswd,
    /// otherwise nothing]
    #[arg(long, value_name = "WHAT")]
    anonymous: Option<AnonymousWord>,
    /// File of users who may do everything, made by `htpasswd -B`; read again when it changes
    #[arg(long, value_name = "FILE")]
    htpasswd: Option<PathBuf>,
    /// How clients are asked to authenticate; both ways are always understood
    #[arg(long, value_name = "SCHEME", default_value = "bearer")]
    challenge: ChallengeWord,
    /// URL that clients reach the registry by, when a proxy in front changes it
    #[arg(long, value_name = "URL")]
    external_url: Option<Url>,
    /// Another name that requests may come under, beside localhost and --external-url, while the server listens on a
    /// loopback address without accounts; give it once per name
    #[arg(long, value_name = "NAME")]
    allow_host: Vec<String>,
}

#[derive(Clone, Copy, ValueEnum)]
enum AnonymousWord {
    /// Nothing at all
    Nothing,
    /// Pull and list
    Pull,
    /// Everything; credentials are not looked at
    Everything,
}

#[derive(Clone, Copy, ValueEnum)]
enum ChallengeWord {
    /// By tokens, as Azure Container Registry does
    Bearer,
    /// By name and password with every request
    Basic,
}

impl AccessArgs {
    /// The names that a server on this address answers to, when only people of this machine reach it: their browsers
    /// do as well, with pages of others in them.
    pub(crate) fn names(&self, address: SocketAddr) -> Option<Names> {
        let external = self.external_url.as_ref().and_then(Url::host_str).map(str::to_owned);
        let all = self.allow_host.iter().cloned().chain(external).chain([address.ip().to_string()]);
        let origin = self.external_url.as_ref().map(|url| url.origin().ascii_serialization());
        address.ip().is_loopback().then(|| Names::and(all).with_origin(origin))
    }

    /// The same options with these settings for a registry at this address. One that others can reach is closed
    /// unless it is opened in so many words.
    pub(crate) fn apply(self, address: SocketAddr, options: Options) -> Options {
        let private = address.ip().is_loopback() && self.htpasswd.is_none();
        let anonymous = match self.anonymous {
            Some(AnonymousWord::Nothing) => Anonymous::Nothing,
            Some(AnonymousWord::Pull) => Anonymous::Pull,
            Some(AnonymousWord::Everything) => Anonymous::Everything,
            None if private => Anonymous::Everything,
            None => Anonymous::Nothing,
        };
        let challenge = match self.challenge {
            ChallengeWord::Bearer => Challenge::Bearer,
            ChallengeWord::Basic => Challenge::Basic,
        };
        Options { anonymous, challenge, htpasswd: self.htpasswd, external_url: self.external_url, ..options }
    }
}

/// Without a token, nobody can log in.
pub(crate) fn needs_tokens(options: &Options) -> bool {
    options.anonymous != Anonymous::Everything && options.htpasswd.is_none()
}

/// How the registry greets its owner.
pub(crate) fn describe(anonymous: Anonymous) -> &'static str {
    match anonymous {
        Anonymous::Nothing => "with credentials only",
        Anonymous::Pull => "pull without credentials, push with them",
        Anonymous::Everything => "open to everybody who reaches it",
    }
}
