//! `tidewaiter db push` and `db pull`: the advisory database as an artifact in any registry, so that a site without a way
//! out mirrors it like an image. With a key it is signed, and verified before it takes the place of another.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use ring::signature::{ED25519, Ed25519KeyPair, UnparsedPublicKey};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{PrivatePkcs8KeyDer, SubjectPublicKeyInfoDer};
use tidewaiter_advisory::Database;
use tidewaiter_oci::content::{Fetch as _, Push as _, Resolve as _, Tag as _};
use tidewaiter_oci::manifest::View;
use tidewaiter_oci::pack::{self, FileAttributes, ManifestOptions};
use tidewaiter_oci::remote::Repository;
use tidewaiter_oci::{Descriptor, Reference};
use tokio::io::AsyncWriteExt as _;

use super::db::default_path;
use crate::ui::Ui;
use crate::{client, environment, size};

/// What the artifact is.
const ARTIFACT_TYPE: &str = "application/vnd.tidewaiter.advisories";
/// What its one layer is: the file as it is.
const LAYER_TYPE: &str = "application/vnd.tidewaiter.advisories.v2";
/// The annotation that holds the signature of the layer's digest.
const SIGNATURE: &str = "vnd.tidewaiter.signature.ed25519";
/// The annotation that holds the id of the database.
const ID: &str = "vnd.tidewaiter.advisories.id";
/// No database is larger.
const LARGEST: u64 = 4 << 30;

/// Arguments of `db push` and `db pull`.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// Where in a registry, as registry.example/advisories:latest
    #[arg(value_name = "REFERENCE")]
    reference: String,
    /// The database
    #[arg(long, value_name = "FILE")]
    db: Option<PathBuf>,
    /// A key in PEM: the private one signs what is pushed, the public one must have signed what is pulled
    #[arg(
        long,
        value_name = "FILE",
        help = "A key in PEM (openssl genpkey -algorithm ed25519; openssl pkey -pubout): the private one signs what is \
                pushed, the public one must have signed what is pulled"
    )]
    key: Option<PathBuf>,
    /// Talk to the registry without TLS; loopback registries are always talked to without
    #[arg(long)]
    plain_http: bool,
    /// Do not check the registry's certificate
    #[arg(long)]
    insecure: bool,
}

impl Args {
    fn path(&self) -> PathBuf {
        self.db.clone().unwrap_or_else(default_path)
    }

    /// The repository, and the tag or digest in it.
    fn place(&self) -> Result<(Repository, Reference, String)> {
        let reference = Reference::parse(&self.reference)?;
        let transport = client::Transport { plain_http: self.plain_http, insecure: self.insecure };
        let repository = client::new(transport, None)?.repository(&reference)?;
        let name = reference.digest.as_ref().map(ToString::to_string);
        let name = name.or_else(|| reference.tag.as_ref().map(ToString::to_string));
        Ok((repository, reference, name.unwrap_or_else(|| "latest".to_owned())))
    }
}

/// Pushes a database.
pub(crate) async fn push(args: Args, ui: Ui) -> Result<()> {
    let path = args.path();
    let database = Database::open(&path)?;
    let (repository, reference, tag) = args.place()?;
    if reference.digest.is_some() {
        bail!("{} names a digest; a push needs a tag", args.reference);
    }
    let repository = repository.for_writing();
    let layer = pack::pack_file(&path, super::db::FILE, Some(LAYER_TYPE), FileAttributes::Ignore).await?;
    let mut options = ManifestOptions {
        artifact_type: Some(ARTIFACT_TYPE.to_owned()),
        layers: vec![layer.descriptor.clone()],
        created: Some(database.built_at()),
        ..ManifestOptions::default()
    };
    options.annotations.insert(ID.to_owned(), database.id().to_string());
    if let Some(key) = &args.key {
        options.annotations.insert(SIGNATURE.to_owned(), sign(key, &layer.descriptor)?);
    }
    let (manifest, made) = pack::pack_manifest(options)?;
    for packed in made.iter().chain([&layer]) {
        repository.push(&packed.descriptor, packed.content()).await?;
    }
    repository.push_tagged(&manifest, &tag).await?;
    ui.line(format_args!(
        "Pushed {} ({}, id {})",
        args.reference,
        size::bytes(layer.descriptor.size),
        database.id()
    ));
    ui.line(format_args!("Digest: {}", manifest.digest()));
    Ok(())
}

/// Pulls a database, and puts it in the place of the one that is there once it is whole and verified.
pub(crate) async fn pull(args: Args, ui: Ui) -> Result<()> {
    let path = args.path();
    let (repository, _, name) = args.place()?;
    let manifest = repository.fetch_reference(&name).await?;
    let View::Image(image) = &manifest.view else { bail!("{} is no advisory database", args.reference) };
    let layer = match image.layers.as_slice() {
        [layer] if manifest.artifact_type() == Some(ARTIFACT_TYPE) => layer,
        _ => bail!("{} is no advisory database", args.reference),
    };
    if layer.media_type != LAYER_TYPE {
        bail!(
            "{} holds a database of another version of Tidewaiter ({}); this one reads {LAYER_TYPE}",
            args.reference,
            layer.media_type
        );
    }
    if layer.size > LARGEST {
        bail!("{} holds {}; no database is that large", args.reference, size::bytes(layer.size));
    }
    if let Some(key) = &args.key {
        let signature = manifest.annotations().and_then(|annotations| annotations.get(SIGNATURE));
        let signature = signature.with_context(|| format!("{} is not signed", args.reference))?;
        verify(key, layer, signature)
            .with_context(|| format!("{} was not signed with {}", args.reference, key.display()))?;
    }
    if let Ok(known) = Database::open(&path)
        && manifest.annotations().and_then(|annotations| annotations.get(ID)) == Some(&known.id().to_string())
    {
        ui.line(format_args!("{} is up to date (id {})", path.display(), known.id()));
        return Ok(());
    }
    let directory =
        path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or_else(|| Path::new("."));
    let failed = || format!("{} cannot be written", path.display());
    std::fs::create_dir_all(directory).with_context(failed)?;
    let new = tempfile::Builder::new().prefix(".advisories-").tempfile_in(directory).with_context(failed)?;
    // The reader checks size and digest: what ends without an error is what was signed.
    let mut reader = repository.fetch(layer).await?;
    let mut file = tokio::fs::File::from_std(new.reopen().with_context(failed)?);
    tokio::io::copy(&mut reader, &mut file)
        .await
        .with_context(|| format!("{} cannot be read", args.reference))?;
    file.sync_all().await.with_context(failed)?;
    file.shutdown().await.with_context(failed)?;
    let database = Database::open(new.path())?;
    environment::make_readable(new.path()).with_context(failed)?;
    new.persist(&path).map_err(|error| error.error).with_context(failed)?;
    ui.line(format_args!("Pulled {} ({}, id {})", path.display(), size::bytes(layer.size), database.id()));
    Ok(())
}

fn sign(key: &Path, layer: &Descriptor) -> Result<String> {
    let wrong = || format!("{} is no private Ed25519 key in PEM", key.display());
    let text = std::fs::read(key).with_context(|| format!("{} cannot be read", key.display()))?;
    let der = PrivatePkcs8KeyDer::from_pem_slice(&text).with_context(wrong)?;
    let pair = Ed25519KeyPair::from_pkcs8_maybe_unchecked(der.secret_pkcs8_der()).ok().with_context(wrong)?;
    Ok(BASE64_STANDARD.encode(pair.sign(layer.digest.to_string().as_bytes())))
}

fn verify(key: &Path, layer: &Descriptor, signature: &str) -> Result<()> {
    /// What stands before the key itself in the SubjectPublicKeyInfo of Ed25519 (RFC 8410).
    const PREFIX: [u8; 12] = [0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00];
    let wrong = || format!("{} is no public Ed25519 key in PEM", key.display());
    let text = std::fs::read(key).with_context(|| format!("{} cannot be read", key.display()))?;
    let info = SubjectPublicKeyInfoDer::from_pem_slice(&text).with_context(wrong)?;
    let public = info.as_ref().strip_prefix(PREFIX.as_slice()).with_context(wrong)?;
    let signature = BASE64_STANDARD.decode(signature).context("its signature is damaged")?;
    let verified =
        UnparsedPublicKey::new(&ED25519, public).verify(layer.digest.to_string().as_bytes(), &signature);
    verified.ok().context("its signature is not that of the key")
}
