//! What `sbom` and `cves` share: naming an image, reaching it, reading it.

use std::io::{IsTerminal as _, Read as _};
use std::str::FromStr;
use std::sync::Arc;

use anyhow::{Context as _, Result, bail};
use async_trait::async_trait;
use tidewaiter_inventory::Fragment;
use tidewaiter_oci::credentials::{Credential, CredentialSource, OneCredential};
use tidewaiter_oci::engine::Engine;
use tidewaiter_oci::remote::Client;
use tidewaiter_oci::{Descriptor, Platform};
use tidewaiter_platform::analysis::{Fragments, NoFragments};
use tidewaiter_platform::base_images;
use tidewaiter_platform::cache::FragmentCache;
use tidewaiter_platform::source::{Platforms, ReadImage, Reading, Source};

use crate::ui::Ui;
use crate::{client, environment, size};

/// The image a command is about.
#[derive(clap::Args)]
pub(crate) struct ImageArgs {
    /// Which image.
    #[arg(
        value_name = "IMAGE",
        help = "Which image: a reference as Docker takes it, or image://REFERENCE (the container engine here, then the \
                registry), local://REFERENCE (only the engine), registry://REFERENCE, oci-dir://PATH[:TAG], \
                archive://FILE[:TAG], fs://PATH, sbom://FILE; without one, the newest image of the engine"
    )]
    image: Option<String>,
    /// Which image of an archive that holds several
    #[arg(long, value_name = "REFERENCE")]
    r#ref: Option<String>,
    /// Which platform of a multi-platform image, as os/arch[/variant]; "all" for each; this machine's by default
    #[arg(long, value_name = "PLATFORM")]
    platform: Option<PlatformArg>,
    /// Talk to registries without TLS; loopback registries are always talked to without
    #[arg(long)]
    plain_http: bool,
    /// Do not check the registry's certificate
    #[arg(long)]
    insecure: bool,
    /// User name at the registry; without one, Docker's and Podman's credentials count
    #[arg(short, long, value_name = "NAME")]
    username: Option<String>,
    /// Take the password from standard input
    #[arg(long, requires = "username")]
    password_stdin: bool,
    /// Read every layer, also those that were read before, and keep nothing of them
    #[arg(long)]
    no_cache: bool,
}

/// What `--platform` says.
#[derive(Clone)]
struct PlatformArg(Platforms);

impl FromStr for PlatformArg {
    type Err = tidewaiter_oci::Error;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text == "all" {
            return Ok(Self(Platforms::All));
        }
        Ok(Self(Platforms::One(text.parse::<Platform>()?)))
    }
}

/// The images that a command was asked about, under one name.
pub(crate) struct Images {
    /// As it was typed, or found.
    pub(crate) name: String,
    /// At least one.
    pub(crate) images: Vec<ReadImage>,
}

impl Images {
    /// The name of one of them: with its platform when there are several.
    pub(crate) fn name_of(&self, image: &ReadImage) -> String {
        match self.images.len() {
            1 => self.name.clone(),
            _ => format!("{} ({})", self.name, image.platform()),
        }
    }
}

impl ImageArgs {
    /// Reads the image, or each of its platforms when all are wanted.
    pub(crate) async fn read(&self, ui: Ui) -> Result<Images> {
        let engine = environment::container_engine().map(|address| Engine::at(&address)).transpose()?;
        let name = self.name(engine.as_ref(), ui).await?;
        let source = self.source(&name)?;
        let client = self.client(&source)?;
        let cache = FragmentCache::new(&environment::cache_home(), environment::system_time());
        let no_cache = self.no_cache || environment::is_cache_off();
        let kept: &dyn Fragments = if no_cache { &NoFragments } else { &cache };
        let told = Told { inner: kept, ui };
        let temporary = environment::temporary_directory();
        let reading = Reading {
            client: &client,
            engine: engine.as_ref(),
            fragments: if std::io::stderr().is_terminal() { &told } else { kept },
            platforms: self.platform.clone().map(|platform| platform.0).unwrap_or_default(),
            known_images: Arc::new(base_images::load(&super::base_images::path())?),
            temporary: &temporary,
        };
        let read = source.read(&reading).await;
        let images = read.map_err(|error| name_in(&name, error.into()))?;
        if !no_cache {
            let limit = environment::cache_limit()?;
            tokio::task::spawn_blocking(move || cache.trim(limit)).await??;
        }
        Ok(Images { name, images })
    }

    /// The image that was typed, or the newest there is.
    async fn name(&self, engine: Option<&Engine>, ui: Ui) -> Result<String> {
        if let Some(name) = &self.image {
            return Ok(name.clone());
        }
        let Some(engine) = engine else {
            bail!(
                "no image was named, and there is no container engine here whose newest image could be meant"
            );
        };
        let newest = engine.newest().await?;
        let newest = newest.with_context(|| {
            format!("no image was named, and the container engine at {} has none", engine.address())
        })?;
        ui.note(format_args!("The newest image here is {newest}"));
        Ok(format!("local://{newest}"))
    }

    fn source(&self, name: &str) -> Result<Source> {
        let source: Source = name.parse()?;
        match (source, &self.r#ref) {
            (source, None) => Ok(source),
            (Source::Archive { path, reference: None }, Some(wanted)) => {
                Ok(Source::Archive { path, reference: Some(wanted.clone()) })
            }
            (_, Some(_)) => {
                bail!("--ref chooses an image of an archive, and {name} is none, or names one already")
            }
        }
    }

    fn client(&self, source: &Source) -> Result<Client> {
        let registry = match source {
            Source::Image { reference, .. } | Source::Registry(reference) => Some(&reference.registry),
            _ => None,
        };
        let credential = self.credential()?;
        let credentials: Option<Arc<dyn CredentialSource>> = match registry {
            Some(registry) if !credential.is_empty() => {
                Some(Arc::new(OneCredential::new(registry, credential)))
            }
            _ => None,
        };
        client::new(client::Transport { plain_http: self.plain_http, insecure: self.insecure }, credentials)
    }

    /// The credential of the command line, or of the environment.
    fn credential(&self) -> Result<Credential> {
        let mut credential = environment::registry_credential();
        if let Some(username) = &self.username {
            credential.username.clone_from(username);
        }
        if self.password_stdin {
            let mut text = String::new();
            std::io::stdin().read_to_string(&mut text).context("the password cannot be read")?;
            credential.password = text.trim_end_matches(['\r', '\n']).to_owned();
        }
        if !credential.username.is_empty() && credential.password.is_empty() {
            bail!(
                "user {} was named without a password: add --password-stdin, or set {}",
                credential.username,
                environment::TIDEWAITER_REGISTRY_PASSWORD
            );
        }
        Ok(credential)
    }
}

/// An error that says which image it is about, once.
fn name_in(name: &str, error: anyhow::Error) -> anyhow::Error {
    let place = name.split_once("://").map_or(name, |(_, place)| place);
    if place.is_empty() || format!("{error:#}").contains(place) {
        return error;
    }
    error.context(format!("{name} cannot be read"))
}

/// Tells a person how far the reading of layers has come.
struct Told<'a> {
    inner: &'a dyn Fragments,
    ui: Ui,
}

impl Told<'_> {
    fn tell(&self, what: &str, layer: &Descriptor) {
        let size = size::bytes(layer.size);
        self.ui.note(format_args!("{what:<8} {}  {size}", layer.digest.short()));
    }
}

#[async_trait]
impl Fragments for Told<'_> {
    async fn get(&self, layer: &Descriptor) -> tidewaiter_platform::Result<Option<Fragment>> {
        let fragment = self.inner.get(layer).await?;
        self.tell(if fragment.is_some() { "Known" } else { "Reading" }, layer);
        Ok(fragment)
    }

    async fn put(&self, layer: &Descriptor, fragment: &Fragment) -> tidewaiter_platform::Result<()> {
        self.inner.put(layer, fragment).await?;
        self.tell("Read", layer);
        Ok(())
    }
}
