//! The one place that reads the environment. Every variable the program heeds is a documented constant here.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::net::{IpAddr, ToSocketAddrs as _};
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};

use anyhow::Context as _;
use tidewaiter_gotemplate::Surroundings;
use tidewaiter_oci::credentials::Credential;
use tidewaiter_oci::remote::ProxySettings;

/// Directory of Docker's `config.json`, in place of `~/.docker`.
pub(crate) const DOCKER_CONFIG: &str = "DOCKER_CONFIG";
/// Credentials file of Podman and Buildah, in place of their usual ones.
pub(crate) const REGISTRY_AUTH_FILE: &str = "REGISTRY_AUTH_FILE";
/// Directory of this login, where Podman keeps `containers/auth.json`.
pub(crate) const XDG_RUNTIME_DIR: &str = "XDG_RUNTIME_DIR";
/// Directory of the user's settings, in place of `~/.config`.
pub(crate) const XDG_CONFIG_HOME: &str = "XDG_CONFIG_HOME";
/// An OCI layout that `artifact pull` reads through and fills.
pub(crate) const ORAS_CACHE: &str = "ORAS_CACHE";
/// Seconds since 1970 that stand for every time in what `artifact push` and `attach` make, so that the same
/// files give the same digests.
pub(crate) const SOURCE_DATE_EPOCH: &str = "SOURCE_DATE_EPOCH";
/// Proxy for `http` URLs; the lower-case name counts too.
pub(crate) const HTTP_PROXY: &str = "HTTP_PROXY";
/// Proxy for `https` URLs; the lower-case name counts too.
pub(crate) const HTTPS_PROXY: &str = "HTTPS_PROXY";
/// Hosts, domains and networks to reach without a proxy; the lower-case name counts too.
pub(crate) const NO_PROXY: &str = "NO_PROXY";
/// The user's home directory.
pub(crate) const HOME: &str = "HOME";
/// Directory of the user's data, in place of `~/.local/share`.
pub(crate) const XDG_DATA_HOME: &str = "XDG_DATA_HOME";
/// Set where a web server runs a program (CGI).
const REQUEST_METHOD: &str = "REQUEST_METHOD";
/// What is logged, in `tracing` filter syntax: `info`, `tidewaiter_platform=debug,warn`, …
pub(crate) const TIDEWAITER_LOG: &str = "TIDEWAITER_LOG";

/// User name at the registry that an image is read from, in place of Docker's credentials.
pub(crate) const TIDEWAITER_REGISTRY_USER: &str = "TIDEWAITER_REGISTRY_USER";
/// The password that goes with it.
pub(crate) const TIDEWAITER_REGISTRY_PASSWORD: &str = "TIDEWAITER_REGISTRY_PASSWORD";
/// A ready token for that registry.
pub(crate) const TIDEWAITER_REGISTRY_TOKEN: &str = "TIDEWAITER_REGISTRY_TOKEN";
/// Directory of what is kept of layers, in place of `~/.cache/tidewaiter`.
pub(crate) const TIDEWAITER_CACHE_DIR: &str = "TIDEWAITER_CACHE_DIR";
/// How large that directory may grow, in MiB.
pub(crate) const TIDEWAITER_CACHE_LIMIT: &str = "TIDEWAITER_CACHE_LIMIT";
/// When it is `true`, nothing is kept of layers.
pub(crate) const TIDEWAITER_NO_CACHE: &str = "TIDEWAITER_NO_CACHE";
/// Directory of what may be made again, in place of `~/.cache`.
pub(crate) const XDG_CACHE_HOME: &str = "XDG_CACHE_HOME";
/// Address of the container engine, in place of the usual sockets.
pub(crate) const DOCKER_HOST: &str = "DOCKER_HOST";
/// What docker-scout calls the variables that begin with `TIDEWAITER_` here.
const SCOUT: &str = "DOCKER_SCOUT_";

/// When it is `false`, nothing is said of what to do next.
pub(crate) const DOCKER_CLI_HINTS: &str = "DOCKER_CLI_HINTS";
/// Set where a job of GitHub runs a program.
const GITHUB_ACTIONS: &str = "GITHUB_ACTIONS";
/// Set where any job of continuous integration runs a program.
const CI: &str = "CI";
/// When it is set, nothing is coloured.
pub(crate) const NO_COLOR: &str = "NO_COLOR";
/// The database, in place of `--database`: for a URL with a password, which others see in a command line.
pub(crate) const TIDEWAITER_DATABASE: &str = "TIDEWAITER_DATABASE";
/// Beginnings of the variables that S3, Azure and Google stores are configured by, as their own tools are.
const OBJECT_STORES: [&str; 3] = ["AWS_", "AZURE_", "GOOGLE_"];

/// Where the docker client says how far its plugins may go on.
pub(crate) const DOCKER_CLI_PLUGIN_SOCKET: &str = "DOCKER_CLI_PLUGIN_SOCKET";
/// When it is set, completions are words alone.
pub(crate) const DOCKER_CLI_DISABLE_COMPLETION_DESCRIPTION: &str =
    "DOCKER_CLI_DISABLE_COMPLETION_DESCRIPTION";

/// What flags of the docker client say in place of its variables.
static OVERRIDDEN: Mutex<BTreeMap<&'static str, String>> = Mutex::new(BTreeMap::new());

/// Takes a global flag of the docker client for the variable that it stands for.
pub(crate) fn override_docker(flag: &str, value: String) {
    let name = match flag {
        "config" => DOCKER_CONFIG,
        "host" => DOCKER_HOST,
        _ => return,
    };
    OVERRIDDEN.lock().unwrap_or_else(PoisonError::into_inner).insert(name, value);
}

/// A variable's value; absent when it is unset, empty or not UTF-8.
pub(crate) fn variable(name: &str) -> Option<String> {
    if let Some(value) = OVERRIDDEN.lock().unwrap_or_else(PoisonError::into_inner).get(name) {
        return Some(value.clone());
    }
    #[expect(clippy::disallowed_methods, reason = "this is the one home of the environment")]
    let value = std::env::var(name).ok();
    value.filter(|value| !value.is_empty())
}

/// The user's home directory.
pub(crate) fn home() -> Option<PathBuf> {
    variable(HOME).map(PathBuf::from)
}

/// Files that credentials for registries are read from, in this order: Docker's, which is also the one that is
/// written, then Podman's and Buildah's.
pub(crate) fn credential_files() -> Vec<PathBuf> {
    let directory =
        |name: &str, base: &str| variable(name).map(PathBuf::from).or_else(|| Some(home()?.join(base)));
    let docker = directory(DOCKER_CONFIG, ".docker").map(|directory| directory.join("config.json"));
    let podman = match variable(REGISTRY_AUTH_FILE) {
        Some(file) => vec![PathBuf::from(file)],
        None => {
            let run = variable(XDG_RUNTIME_DIR).map(PathBuf::from);
            let bases = [run, directory(XDG_CONFIG_HOME, ".config")];
            bases.into_iter().flatten().map(|base| base.join("containers/auth.json")).collect()
        }
    };
    docker.into_iter().chain(podman).collect()
}

/// Proxies, as most programs read them: of the two spellings of each name the lower-case one wins, and
/// `HTTP_PROXY` does not count where a web server may have made it of a request's header.
pub(crate) fn proxies() -> ProxySettings {
    let either = |name: &str| variable(&name.to_lowercase()).or_else(|| variable(name));
    let under_cgi = variable(REQUEST_METHOD).is_some();
    ProxySettings {
        http: if under_cgi { variable("http_proxy") } else { either(HTTP_PROXY) },
        https: either(HTTPS_PROXY),
        no_proxy: either(NO_PROXY),
    }
}

/// Settings of object stores, by the names that `object_store` gives them: credentials, regions, endpoints.
pub(crate) fn object_store_settings() -> Vec<(String, String)> {
    let variables = std::env::vars_os();
    let text =
        |(name, value): (OsString, OsString)| Some((name.into_string().ok()?, value.into_string().ok()?));
    let ours = |name: &str| OBJECT_STORES.iter().any(|beginning| name.starts_with(beginning));
    variables.filter_map(text).filter(|(name, _)| ours(name)).collect()
}

/// The OCI layout that pulls read through, when one is set.
pub(crate) fn pull_cache() -> Option<PathBuf> {
    variable(ORAS_CACHE).map(PathBuf::from)
}

/// The time that stands for every time in what is packed, in seconds since 1970, when one is set. The error is
/// what it is set to instead of a number.
pub(crate) fn source_date_epoch() -> Result<Option<i64>, String> {
    let text = variable(SOURCE_DATE_EPOCH);
    text.map(|text| text.parse().map_err(|_| text)).transpose()
}

/// The signals that whoever started the program has it ignore, one bit each from signal 1 on: `nohup` does so. None
/// where the system does not tell.
pub(crate) fn ignored_signals() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).unwrap_or(0)
}

/// Where temporary files go: `$TMPDIR`, or the system's directory for them.
pub(crate) fn temporary_directory() -> PathBuf {
    std::env::temp_dir()
}

/// The machine as templates see it: those of ORAS may ask for the time, variables, addresses and random values.
#[derive(Debug, Clone, Copy)]
pub(crate) struct World;

impl Surroundings for World {
    fn now(&self) -> Option<jiff::Zoned> {
        Some(timestamp().to_zoned(jiff::tz::TimeZone::system()))
    }

    fn variable(&self, name: &str) -> Option<String> {
        Some(variable(name).unwrap_or_default())
    }

    fn addresses(&self, host: &str) -> Option<Vec<IpAddr>> {
        let found = (host, 0).to_socket_addrs();
        Some(found.map_or_else(|_| Vec::new(), |found| found.map(|address| address.ip()).collect()))
    }

    fn random(&self) -> Option<u64> {
        Some(rand::random())
    }
}

/// Where the user's data of this program is kept: `$XDG_DATA_HOME/tidewaiter`.
pub(crate) fn data_home() -> PathBuf {
    let base = variable(XDG_DATA_HOME).map(PathBuf::from).or_else(|| Some(home()?.join(".local/share")));
    base.unwrap_or_default().join("tidewaiter")
}

/// Size of the cache of layers when nobody says otherwise, in MiB: some thousands of layers.
const CACHE_LIMIT: u64 = 2048;

/// The value of a variable that docker-scout knows as well, by our name or by its.
fn shared(name: &str) -> Option<String> {
    let theirs = name.strip_prefix("TIDEWAITER_").map(|rest| format!("{SCOUT}{rest}"));
    variable(name).or_else(|| variable(&theirs?))
}

/// The credential for the registry that an image is read from; empty when none is set.
pub(crate) fn registry_credential() -> Credential {
    let value = |name| shared(name).unwrap_or_default();
    Credential {
        username: value(TIDEWAITER_REGISTRY_USER),
        password: value(TIDEWAITER_REGISTRY_PASSWORD),
        registry_token: value(TIDEWAITER_REGISTRY_TOKEN),
        ..Credential::default()
    }
}

/// Directory of what is kept of layers.
pub(crate) fn cache_home() -> PathBuf {
    let usual = || {
        let base = variable(XDG_CACHE_HOME).map(PathBuf::from).or_else(|| Some(home()?.join(".cache")));
        base.unwrap_or_else(temporary_directory).join("tidewaiter")
    };
    shared(TIDEWAITER_CACHE_DIR).map_or_else(usual, PathBuf::from)
}

/// How large that directory may grow, in bytes.
pub(crate) fn cache_limit() -> anyhow::Result<u64> {
    let set = variable(TIDEWAITER_CACHE_LIMIT);
    let limit = set.map(|text| {
        text.parse::<u64>()
            .with_context(|| format!("{TIDEWAITER_CACHE_LIMIT} is {text:?}, and has to be a number of MiB"))
    });
    Ok(limit.transpose()?.unwrap_or(CACHE_LIMIT).saturating_mul(1 << 20))
}

/// Nothing is to be kept of layers.
pub(crate) fn is_cache_off() -> bool {
    shared(TIDEWAITER_NO_CACHE)
        .is_some_and(|value| matches!(value.to_lowercase().as_str(), "1" | "true" | "yes"))
}

/// Address of the container engine of this machine, when there is one: `DOCKER_HOST`, or the first of the sockets
/// where Docker and Podman listen, the system's and the user's.
pub(crate) fn container_engine() -> Option<String> {
    if let Some(address) = variable(DOCKER_HOST) {
        return Some(address);
    }
    let run = variable(XDG_RUNTIME_DIR).map(PathBuf::from);
    let system = ["/var/run/docker.sock", "/run/podman/podman.sock"].map(PathBuf::from);
    let user = run.iter().flat_map(|run| ["docker.sock", "podman/podman.sock"].map(|name| run.join(name)));
    let desktop = home().map(|home| home.join(".docker/run/docker.sock"));
    let mut sockets = system.into_iter().chain(user).chain(desktop);
    sockets.find(|socket| socket.exists()).map(|socket| format!("unix://{}", socket.display()))
}

/// The time as files have it.
pub(crate) fn system_time() -> std::time::SystemTime {
    timestamp().into()
}

/// The time now: the one clock that everything else is handed.
pub(crate) fn timestamp() -> jiff::Timestamp {
    #[expect(clippy::disallowed_methods, reason = "this is the one home of the time")]
    let now = jiff::Timestamp::now();
    now
}

/// What tells a file from every other, and from itself after a change; nothing where the system does not say.
pub(crate) fn identity(facts: &std::fs::Metadata) -> Option<String> {
    #[cfg(unix)]
    {
        use std::os::unix::fs::MetadataExt as _;
        Some(format!(
            "{} {} {} {}.{:09} {}.{:09}",
            facts.dev(),
            facts.ino(),
            facts.size(),
            facts.mtime(),
            facts.mtime_nsec(),
            facts.ctime(),
            facts.ctime_nsec()
        ))
    }
    #[cfg(not(unix))]
    {
        let _ = facts;
        None
    }
}

/// Lets everybody read a file that was made for this process alone.
pub(crate) fn make_readable(path: &std::path::Path) -> std::io::Result<()> {
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o644))?;
    }
    #[cfg(not(unix))]
    let _ = path;
    Ok(())
}

/// Columns of the terminal, for wrapping text.
pub(crate) fn columns() -> usize {
    const USUAL: usize = 80;
    let size = rustix::termios::tcgetwinsize(std::io::stdout()).ok().map(|size| usize::from(size.ws_col));
    size.filter(|columns| *columns > 0).unwrap_or(USUAL)
}

/// Whether a person wants to be told what to do next; other programs and CI do not.
pub(crate) fn has_hints() -> bool {
    let is_off = |name: &str| variable(name).is_some_and(|value| value == "false" || value == "0");
    !is_off(DOCKER_CLI_HINTS) && variable(GITHUB_ACTIONS).is_none() && variable(CI).is_none()
}

/// The time now, in microseconds since the epoch.
pub(crate) fn now() -> i64 {
    timestamp().as_microsecond()
}
