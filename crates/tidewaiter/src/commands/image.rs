//! What `sbom` and `cves` share: naming an image and reading it.

use anyhow::Result;
use tidewaiter_oci::Platform;
use tidewaiter_platform::source::{ReadImage, Source};

use crate::client;

/// The image a command is about.
#[derive(clap::Args)]
pub(crate) struct ImageArgs {
    /// Which image.
    #[arg(
        value_name = "IMAGE",
        help = "Which image: registry://REFERENCE, oci-dir://PATH[:TAG], archive://FILE[:TAG], fs://DIRECTORY, or a \
                bare reference as Docker takes it"
    )]
    pub(crate) image: String,
    /// Which platform of a multi-platform image, as os/arch[/variant]; this machine's by default
    #[arg(long, value_name = "PLATFORM")]
    platform: Option<String>,
    /// Talk to registries without TLS; loopback registries are always talked to without
    #[arg(long)]
    plain_http: bool,
    /// Do not check the registry's certificate
    #[arg(long)]
    insecure: bool,
}

impl ImageArgs {
    /// Reads the image.
    pub(crate) async fn read(&self) -> Result<ReadImage> {
        let source: Source = self.image.parse()?;
        let platform: Option<Platform> = self.platform.as_deref().map(str::parse).transpose()?;
        let client = client::new(client::Transport { plain_http: self.plain_http, insecure: self.insecure })?;
        source.read(&client, platform.as_ref()).await.map_err(|error| self.name_in(error.into()))
    }
    /// An error that says which image it is about, once.
    fn name_in(&self, error: anyhow::Error) -> anyhow::Error {
        let place = self.image.split_once("://").map_or(self.image.as_str(), |(_, place)| place);
        if format!("{error:#}").contains(place) {
            return error;
        }
        error.context(format!("{} cannot be read", self.image))
    }
}
