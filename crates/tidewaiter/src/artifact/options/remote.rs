//! Flags about one registry: who we are there, how to reach it, what to send it.

use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use http::{HeaderMap, HeaderName, HeaderValue};
use tidewaiter_cobra::{Flag, Matches, Values};
use tidewaiter_oci as oci;
use tidewaiter_oci::RepositoryName;
use tidewaiter_oci::credentials::{
    Credential, CredentialSource, OneCredential, RepositoryCredentials, Store, StoreSettings,
};
use tidewaiter_oci::remote::{Client, ClientCertificate, PlainHttp, ReferrersMode, ResolveRule, Settings};

use crate::artifact::display::wire::Wire;
use crate::artifact::failure::{self, Failure, Outcome};
use crate::artifact::session::Session;
use crate::environment;

/// Which target the flags are about: the only one of a command, or one of the two of a copy.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Side {
    /// Before the names of flags: empty, `from-` or `to-`.
    prefix: &'static str,
    /// Before the word "registry" in help.
    note: &'static str,
}

impl Side {
    pub(crate) const ONLY: Self = Self { prefix: "", note: "" };
    pub(crate) const FROM: Self = Self { prefix: "from-", note: "source " };
    pub(crate) const TO: Self = Self { prefix: "to-", note: "destination " };

    /// The name of a flag on this side.
    pub(crate) fn flag(self, name: &str) -> String {
        format!("{}{name}", self.prefix)
    }

    pub(crate) fn note(self) -> &'static str {
        self.note
    }

    fn is_only(self) -> bool {
        self.prefix.is_empty()
    }
}

/// Values of `--distribution-spec`.
const REFERRERS_API: &str = "v1.1-referrers-api";
const REFERRERS_TAG: &str = "v1.1-referrers-tag";

/// `--debug`
pub(crate) fn debug_flag() -> Flag {
    Flag::bool("debug", "log requests and answers to standard error; implies --no-tty").short('d')
}

/// `--distribution-spec`
pub(crate) fn distribution_spec_flag(side: Side) -> Flag {
    let usage = format!(
        "[Preview] how the {}registry keeps referrers, found out when not given: \
         {REFERRERS_API}, {REFERRERS_TAG}",
        side.note
    );
    Flag::text(side.flag("distribution-spec"), usage).checked(check_distribution_spec).values(Values::Words(
        &[(REFERRERS_API, "the referrers API only"), (REFERRERS_TAG, "the referrers tag scheme only")],
    ))
}

fn check_distribution_spec(text: &str) -> Result<(), String> {
    if [REFERRERS_API, REFERRERS_TAG].contains(&text) {
        return Ok(());
    }
    let options = format!("Available options: {REFERRERS_TAG}, {REFERRERS_API}");
    Err(format!("unknown distribution specification flag: {text}\n{options}"))
}

/// The flags of a side, `--debug` and `--distribution-spec` aside.
pub(crate) fn flags(side: Side) -> Vec<Flag> {
    let note = side.note;
    let short = |flag: Flag, letter| if side.is_only() { flag.short(letter) } else { flag };
    let text = |name, usage: &str| Flag::text(side.flag(name), usage.replace("{}", note));
    let switch = |name, usage: &str| Flag::bool(side.flag(name), usage.replace("{}", note));
    let list = |name, usage: &str| Flag::repeated(side.flag(name), usage.replace("{}", note));
    let mut flags = vec![
        short(text("username", "user name at the {}registry").values(Values::Nothing), 'u'),
        short(text("password", "password at the {}registry, or a token").values(Values::Nothing), 'p'),
        text("identity-token", "identity token for the {}registry").values(Values::Nothing),
        switch("insecure", "trust whatever certificate the {}registry shows"),
        switch(
            "plain-http",
            "speak HTTP to the {}registry, as to those on this machine; =false forbids it there",
        ),
        text("ca-file", "PEM file with further certificate authorities to trust for the {}registry"),
        text("cert-file", "PEM file with the certificate that we show to the {}registry"),
        text("key-file", &format!("PEM file with the private key of --{}", side.flag("cert-file"))),
        list("resolve", "address to find the {}registry at; repeatable: `host:port:address[:address_port]`")
            .values(Values::Nothing),
        list(
            "registry-config",
            "credentials for the {}registry are in the file at `path`, else in Docker's; repeatable",
        ),
        short(
            list("header", "send this name:value to the {}registry; repeatable").values(Values::Nothing),
            'H',
        ),
    ];
    if side.is_only() {
        flags.push(Flag::bool("password-stdin", "take the password from standard input"));
        flags.push(Flag::bool("identity-token-stdin", "take the identity token from standard input"));
    }
    flags
}

/// What was said of a registry.
#[derive(Debug, Clone)]
pub(crate) struct RemoteOptions {
    side: Side,
    credential: Credential,
    insecure: bool,
    plain_http: PlainHttp,
    ca_file: Option<PathBuf>,
    certificate: Option<(PathBuf, PathBuf)>,
    resolve: Vec<String>,
    credential_files: Vec<PathBuf>,
    headers: HeaderMap,
    referrers: ReferrersMode,
    debug: bool,
}

impl RemoteOptions {
    /// A failure on the way to a registry, with what may help.
    pub(crate) fn explain(&self, error: oci::Error) -> Failure {
        match error {
            oci::Error::MissingCredential { .. } => self.missing_credential(),
            oci::Error::Untrusted { .. } => {
                let [authority, insecure] = self.trust_flags();
                Failure::from(error).advice(format!(
                    "Name the certificate authority's file with `--{authority} FILE`, or do without checking with `--{insecure}`"
                ))
            }
            error => error.into(),
        }
    }

    fn missing_credential(&self) -> Failure {
        let store = self.store();
        let path = store.path().map(|path| format!(" at \"{}\"", path.display())).unwrap_or_default();
        Failure::new("basic credential not found").advice(format!(
            "Please check whether the registry credential stored in the authentication file{path} is correct"
        ))
    }

    /// The flags that decide which certificates are trusted: whose, and that any is.
    pub(crate) fn trust_flags(&self) -> [String; 2] {
        ["ca-file", "insecure"].map(|name| self.side.flag(name))
    }

    /// Reads the flags of a side. Secrets that are to come from standard input are read here.
    pub(crate) fn read(session: &Session, matches: &Matches, side: Side) -> Outcome<Self> {
        check_secrets(matches, side)?;
        let path = |name: &str| {
            let text = matches.text(&side.flag(name));
            (!text.is_empty()).then(|| PathBuf::from(text))
        };
        let files = matches.list(&side.flag("registry-config"));
        let mut resolve = Vec::new();
        if !side.is_only() {
            resolve.extend_from_slice(matches.list("resolve"));
        }
        resolve.extend_from_slice(matches.list(&side.flag("resolve")));
        let spec = side.flag("distribution-spec");
        Ok(Self {
            side,
            headers: headers(matches.list(&side.flag("header")))?,
            credential: credential(session, matches, side)?,
            insecure: matches.bool(&side.flag("insecure")),
            plain_http: match matches.given(&side.flag("plain-http")) {
                false => PlainHttp::Auto,
                true if matches.bool(&side.flag("plain-http")) => PlainHttp::Always,
                true => PlainHttp::Never,
            },
            ca_file: path("ca-file"),
            certificate: path("cert-file").zip(path("key-file")),
            resolve,
            credential_files: match files {
                [] => environment::credential_files(),
                files => files.iter().map(PathBuf::from).collect(),
            },
            referrers: match matches.declares(&spec).then(|| matches.text(&spec)) {
                Some(REFERRERS_API) => ReferrersMode::Api,
                Some(REFERRERS_TAG) => ReferrersMode::Tag,
                _ => ReferrersMode::Auto,
            },
            debug: matches.bool("debug"),
        })
    }

    /// The credential of the command line; empty when there was none.
    pub(crate) fn credential(&self) -> &Credential {
        &self.credential
    }

    pub(crate) fn set_credential(&mut self, credential: Credential) {
        self.credential = credential;
    }

    /// Where credentials are kept.
    pub(crate) fn store(&self) -> Store {
        Store::new(StoreSettings::new(self.credential_files.clone()))
    }

    /// A client for `registry`, the host and optional port as references name it: a credential of the command
    /// line is for it alone. Files may have one of its own for the repository.
    pub(crate) fn client(
        &self,
        session: &Session,
        registry: &str,
        repository: Option<&RepositoryName>,
    ) -> Outcome<Client> {
        let read = |path: &Path| std::fs::read(path).map_err(failure::file("read", path));
        let resolve: Result<Vec<ResolveRule>, _> = self.resolve.iter().map(|rule| rule.parse()).collect();
        let certificate = match &self.certificate {
            Some((certificate, key)) => {
                Some(ClientCertificate { certificate: read(certificate)?, key: read(key)? })
            }
            None => None,
        };
        let credentials: Arc<dyn CredentialSource> = match repository {
            _ if !self.credential.is_empty() => {
                Arc::new(OneCredential::new(registry, self.credential.clone()))
            }
            Some(name) => Arc::new(RepositoryCredentials::new(self.store(), registry, name.as_str())),
            None => Arc::new(self.store()),
        };
        let settings = Settings {
            plain_http: self.plain_http,
            insecure: self.insecure,
            ca_certificates: self.ca_file.as_deref().map(read).transpose()?,
            client_certificate: certificate,
            resolve: resolve.map_err(|error| Failure::new(error.to_string()))?,
            headers: self.headers.clone(),
            proxy: environment::proxies(),
            referrers: self.referrers,
            credentials,
            observer: Arc::new(Wire::new(session.ui, self.debug)),
            ..Settings::default()
        };
        Ok(Client::new(settings)?)
    }
}

/// Secrets come one way only, and a certificate comes with its key.
fn check_secrets(matches: &Matches, side: Side) -> Outcome {
    let names = |names: &[&str]| -> Vec<String> { names.iter().map(|name| side.flag(name)).collect() };
    let mut user = names(&["username", "identity-token"]);
    let mut secret = names(&["password", "identity-token"]);
    if side.is_only() {
        user.extend(names(&["identity-token-stdin"]));
        secret.extend(names(&["password-stdin", "identity-token-stdin"]));
    }
    failure::exclusive(matches, &user)?;
    failure::exclusive(matches, &secret)?;
    failure::together(matches, &names(&["cert-file", "key-file"]))
}

/// The credential of the command line. A secret without a user name is an identity token.
fn credential(session: &Session, matches: &Matches, side: Side) -> Outcome<Credential> {
    let username = matches.text(&side.flag("username"));
    let password = matches.text(&side.flag("password"));
    let token = matches.text(&side.flag("identity-token"));
    let from_stdin = |name: &str| side.is_only() && matches.bool(name);
    if !password.is_empty() {
        session.ui.note("WARNING! Using --password via the CLI is insecure. Use --password-stdin.");
    }
    if !token.is_empty() {
        session
            .ui
            .note("WARNING! Using --identity-token via the CLI is insecure. Use --identity-token-stdin.");
        return Ok(Credential::identity_token(token));
    }
    let secret = if from_stdin("password-stdin") || from_stdin("identity-token-stdin") {
        let mut text = String::new();
        std::io::stdin()
            .read_to_string(&mut text)
            .map_err(|error| Failure::new(format!("failed to read the secret from stdin: {error}")))?;
        let line = text.strip_suffix('\n').unwrap_or(&text);
        line.strip_suffix('\r').unwrap_or(line).to_owned()
    } else {
        password.to_owned()
    };
    Ok(named_credential(username, secret))
}

/// A user name and a secret as a credential: without the name it is an identity token.
pub(crate) fn named_credential(username: &str, secret: String) -> Credential {
    if username.is_empty() && !secret.is_empty() {
        Credential::identity_token(secret)
    } else {
        Credential::password(username, secret)
    }
}

fn headers(typed: &[String]) -> Outcome<HeaderMap> {
    let mut headers = HeaderMap::new();
    for header in typed {
        let invalid = || Failure::new(format!("invalid header: {}", tidewaiter_cobra::quote(header)));
        let (name, value) = header.split_once(':').ok_or_else(invalid)?;
        let name: HeaderName = name.trim().parse().map_err(|_| invalid())?;
        let value = HeaderValue::from_str(value).map_err(|_| invalid())?;
        headers.append(name, value);
    }
    Ok(headers)
}
