//! `manifest index create`: an index of manifests that are there.

use std::sync::Arc;

use bytes::Bytes;
use tidewaiter_cobra::{Arguments, Command, Flag, Matches, Values};
use tidewaiter_oci::content::{Content, Target};
use tidewaiter_oci::descriptor::Annotations;
use tidewaiter_oci::pack::check_media_type;
use tidewaiter_oci::select::config_platform;
use tidewaiter_oci::{Descriptor, Error, Index, Manifest, View, media_type};

use super::write_output;
use crate::artifact::complete;
use crate::artifact::display::json;
use crate::artifact::failure::{Failure, Outcome};
use crate::artifact::options::remote::{self, Side};
use crate::artifact::options::target::{self, TargetOptions};
use crate::artifact::options::{annotations, pretty};
use crate::artifact::session::Session;
use crate::artifact::tag::check_tag;

pub(crate) fn command() -> Command {
    Command::new("create")
        .aliases(&["pack"])
        .positionals("[flags] <target>[:<tag[,<tag>][...]] <sources>[{<tag>|<digest>}...]")
        .short("[Experimental] Make an index of manifests and push it")
        .long(
            "[Experimental] Make an index of manifests and push it\n\n\
             The manifests are named by tag or digest, and are in the repository that the index goes to.\n\n\
             Example - Make one tag of two builds:\n  \
             {oras} manifest index create registry.example.com/team/app:1.4 1.4-amd64 1.4-arm64\n\n\
             Example - Give the index three tags:\n  \
             {oras} manifest index create registry.example.com/team/app:1.4,1,latest 1.4-amd64 1.4-arm64\n\n\
             Example - Push it without a tag; its digest is printed:\n  \
             {oras} manifest index create registry.example.com/team/app 1.4-amd64 1.4-arm64\n\n\
             Example - Say where it comes from:\n  \
             {oras} manifest index create -a org.opencontainers.image.revision=9f3c2ab \
             registry.example.com/team/app:1.4 1.4-amd64 1.4-arm64\n\n\
             Example - See it before anything is pushed:\n  \
             {oras} manifest index create --output - --pretty registry.example.com/team/app 1.4-amd64 \
             1.4-arm64\n\n\
             Example - Make it in a layout on disk:\n  \
             {oras} manifest index create --oci-layout ./app-layout:1.4 1.4-amd64 1.4-arm64\n",
        )
        .arguments(Arguments::AtLeast(1), &[Values::Ask(complete::REFERENCE), Values::Nothing])
        .flags(target::flags(Side::ONLY))
        .flag(pretty())
        .flag(annotations::flag())
        .flag(
            Flag::text("artifact-type", "type of the index: a media type, also one of your own")
                .values(Values::Nothing),
        )
        .flag(
            Flag::text(
                "output",
                "write the index to the file at `path` and push nothing; - is standard output",
            )
            .short('o'),
        )
        .flag(remote::debug_flag())
}

pub(crate) async fn run(session: &Session, matches: &Matches) -> Outcome {
    let [raw, sources @ ..] = matches.arguments() else { return Err(Failure::new("no reference given")) };
    let mut references = raw.split(',');
    let target = TargetOptions::read(session, matches, Side::ONLY, references.next().unwrap_or_default())?;
    let own = annotations::parse(matches.list("annotation"))?;
    matches.validate()?;
    let tags: Vec<String> = references.map(str::to_owned).collect();
    let store = target.open(session).await?.target();
    let desk = Desk { session, target: &target, store, to_stdout: matches.text("output") == "-" };
    let mut manifests = Vec::new();
    for source in sources {
        manifests.push(desk.fetch(source).await?.0);
    }
    let index = Index {
        schema_version: 2,
        media_type: Some(media_type::OCI_INDEX.to_owned()),
        artifact_type: artifact_type(matches)?,
        manifests,
        subject: None,
        annotations: Some(own).filter(|annotations: &Annotations| !annotations.is_empty()),
    };
    let packed = pack(&index)?;
    desk.say("Packed    ", format_args!("{} {}", packed.digest().short(), packed.descriptor.media_type));
    // ORAS pushes it all the same, and nothing has the name that was asked for.
    if target.location.digest().is_some_and(|digest| digest != *packed.digest()) {
        let (raw, digest) = (&target.location.raw, packed.digest());
        return Err(Failure::new(format!("{raw}: the index that is to be pushed has the digest {digest}")));
    }
    desk.deliver(matches, &packed, &tags).await
}

/// The bytes of an index, as ORAS writes them.
pub(crate) fn pack(index: &Index) -> Outcome<Manifest> {
    let bytes = Bytes::from(json::compact(index));
    let media_type = index.media_type.as_deref().unwrap_or(media_type::OCI_INDEX);
    Manifest::parse(bytes, Some(media_type)).map_err(|error| Failure::new(error.to_string()))
}

/// The value of `--artifact-type`, when there is one.
pub(crate) fn artifact_type(matches: &Matches) -> Outcome<Option<String>> {
    let text = matches.text("artifact-type");
    if !text.is_empty() {
        check_media_type(text).map_err(|_| Failure::new(format!("{text}: invalid media type")))?;
    }
    Ok(Some(text.to_owned()).filter(|text| !text.is_empty()))
}

/// Where indexes are made: what both commands on them do.
pub(crate) struct Desk<'a> {
    pub(crate) session: &'a Session,
    pub(crate) target: &'a TargetOptions,
    pub(crate) store: Arc<dyn Target>,
    /// The index itself goes to standard output.
    pub(crate) to_stdout: bool,
}

impl Desk<'_> {
    /// A status line; the word is padded to ten columns.
    pub(crate) fn say(&self, word: &str, what: impl std::fmt::Display) {
        match self.to_stdout {
            true => self.session.ui.note(format_args!("{word}{what}")),
            false => self.session.ui.status(format_args!("{word}{what}")),
        }
    }

    fn blame(&self, error: Error) -> Failure {
        self.target.blame(self.session, error)
    }

    /// A manifest of the repository, and its descriptor as an index lists it.
    pub(crate) async fn fetch(&self, source: &str) -> Outcome<(Descriptor, Manifest)> {
        self.say("Fetching  ", source);
        let manifest = self.store.fetch_reference(source).await.map_err(|error| match error {
            Error::ReadManifest { .. } => Failure::new(format!("{source} is not a manifest")),
            error => self.blame(error).context(format_args!("could not find the manifest {source}")),
        })?;
        match source.parse::<tidewaiter_oci::Digest>() {
            Ok(_) => self.say("Fetched   ", source),
            Err(_) => self.say("Fetched   ", format_args!("{} {source}", manifest.digest())),
        }
        let mut descriptor = manifest.descriptor.plain();
        if let View::Image(image) = &manifest.view {
            let platform = config_platform(&*self.store, &image.config).await.map_err(|e| self.blame(e))?;
            descriptor.platform =
                platform.filter(|platform| !platform.os.is_empty() || !platform.architecture.is_empty());
            descriptor.artifact_type = image.artifact_type.clone();
        }
        if let View::Index(index) = &manifest.view {
            descriptor.artifact_type = index.artifact_type.clone();
        }
        Ok((descriptor, manifest))
    }

    /// Writes the index to the file of `--output`, or pushes it with its tags.
    pub(crate) async fn deliver(&self, matches: &Matches, index: &Manifest, tags: &[String]) -> Outcome {
        let output = matches.text("output");
        if !output.is_empty() {
            let bytes = match output == "-" && matches.bool("pretty") {
                true => json::reindented(&index.bytes),
                false => index.bytes.to_vec(),
            };
            write_output(self.session.ui, output, &bytes)?;
            if output != "-" {
                self.session.ui.line(format_args!("Digest: {}", index.digest()));
            }
            return Ok(());
        }
        tags.iter().try_for_each(|tag| check_tag(self.target, tag))?;
        let reference = self.target.location.reference.as_str();
        let pushed = match self.target.location.digest() {
            None if !reference.is_empty() => self.store.push_tagged(index, reference).await,
            _ => self.store.push(&index.descriptor, Content::Bytes(index.bytes.clone())).await,
        };
        pushed.map_err(|error| self.blame(error))?;
        let shown = match reference.is_empty() || self.target.location.digest().is_some() {
            true => {
                format!("[{}] {}", self.target.location.kind_name(), self.target.location.at(index.digest()))
            }
            false => self.target.location.annotated(),
        };
        self.session.ui.line(format_args!("Pushed    {shown}"));
        for tag in tags {
            self.store.push_tagged(index, tag).await.map_err(|error| self.blame(error))?;
            self.session.ui.line(format_args!("Tagged {tag}"));
        }
        self.session.ui.line(format_args!("Digest: {}", index.digest()));
        Ok(())
    }
}
