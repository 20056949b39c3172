//! `attach`: files as an artifact that refers to another.

use tidewaiter_cobra::{Arguments, Command, Flag, Matches, Values};
use tidewaiter_oci::pack::{ManifestOptions, pack_manifest};

use crate::artifact::complete;
use crate::artifact::display::result::Described;
use crate::artifact::display::status::{self, Status};
use crate::artifact::failure::{self, Failure, Outcome};
use crate::artifact::options::format;
use crate::artifact::options::remote::{self, Side};
use crate::artifact::options::target::{self, TargetOptions};
use crate::artifact::options::{concurrency, platform, terminal, verbose};
use crate::artifact::packing::{self, PackingOptions, Pushing};
use crate::artifact::push::style;
use crate::artifact::resolve::descriptor_of;
use crate::artifact::session::Session;

pub(crate) fn command() -> Command {
    Command::new("attach")
        .positionals(
            "[flags] --artifact-type=<type> <name>{:<tag>|@<digest>} \
             {<file>[:<layer_media_type>]|--annotation <key>=<value>} [...]",
        )
        .short("Attach an SBOM, a signature or any files to an image or artifact")
        .long(
            "Attach an SBOM, a signature or any files to an image or artifact\n\n\
             What is attached is an artifact of its own that names its subject. The subject and its digest \
             stay as they are; `{oras} discover` lists what is attached to it.\n\n\
             Example - Attach an SBOM to an image:\n  \
             {oras} attach --artifact-type application/spdx+json registry.example.com/team/app:1.4 \
             app.spdx.json\n\n\
             Example - Say of each file what it is, with its media type after a colon:\n  \
             {oras} attach --artifact-type application/vnd.example.scan registry.example.com/team/app:1.4 \
             scan.json:application/json log.txt:text/plain\n\n\
             Example - Note an approval: two annotations and no file:\n  \
             {oras} attach --artifact-type application/vnd.example.approval -a by=qa -a ticket=REL-71 \
             registry.example.com/team/app:1.4\n\n\
             Example - Attach to one image of a multi-platform index:\n  \
             {oras} attach --platform linux/arm64 --artifact-type application/spdx+json \
             registry.example.com/team/app:1.4 arm64.spdx.json\n\n\
             Example - [Experimental] Keep the digest of what was attached:\n  \
             digest=$({oras} attach --artifact-type text/plain registry.example.com/team/app:1.4 notes.txt \
             --format go-template='{{.digest}}')\n\n\
             Example - Attach to an image in a layout on disk:\n  \
             {oras} attach --oci-layout --artifact-type text/plain ./app-layout:1.4 notes.txt\n",
        )
        .arguments(Arguments::AtLeast(1), &[Values::Ask(complete::REFERENCE), Values::Files])
        .flags(target::flags(Side::ONLY))
        .flag(remote::distribution_spec_flag(Side::ONLY))
        .flag(platform::named("platform", "of an index, attach to the image for this platform"))
        .flags(packing::flags())
        .flags(format::flags(format::USUAL))
        .flag(terminal::flag())
        .flag(
            Flag::text(
                "artifact-type",
                "type of what is attached: a media type, such as application/spdx+json",
            )
            .required()
            .values(Values::Nothing),
        )
        .flag(Flag::text("config", "use the file at `path` as config; a media type may follow a colon"))
        .flag(concurrency(5))
        .flag(remote::debug_flag())
        .flag(verbose(true))
}

pub(crate) async fn run(session: &Session, matches: &Matches) -> Outcome {
    let [raw, files @ ..] = matches.arguments() else { return Err(Failure::new("no reference given")) };
    failure::exclusive(matches, &["config", "platform"])?;
    let format = format::read(matches, format::USUAL)?;
    let packing = PackingOptions::read(matches, files)?;
    let target = TargetOptions::read(session, matches, Side::ONLY, raw)?;
    let platform = platform::read(matches)?;
    matches.validate()?;
    if packing.is_empty() && target.location.reference.is_empty() {
        return Err(session.missing_subject(&target.location.raw));
    }
    if packing.is_empty() {
        return Err(Failure::new("neither file nor annotation provided in the command")
            .usage(&session.use_line)
            .advice(format!(
                "Give files to attach, or annotations with --annotation. Run \"{} -h\" for examples",
                session.path
            )));
    }
    let reference = target.reference(session)?;
    let store = target.open_existing(session).await?.target();
    let blame = |error| target.blame(session, error);
    let subject = descriptor_of(&*store, reference, platform.as_ref()).await;
    let subject = subject.map_err(|error| blame(error).context(format_args!("failed to find \"{raw}\"")))?;
    let status = Status::new(session.ui, status::UPLOAD, style(matches, &format));
    status.hide(&subject.digest);
    let pushing = Pushing::new(session, matches, &target, store, &status);
    let config = match matches.text("config") {
        "" => None,
        file => Some(packing.pack_config(file).await?),
    };
    let layers = pushing.pack(&packing).await?;
    let (manifest, made) = pack_manifest(ManifestOptions {
        artifact_type: Some(matches.text("artifact-type").to_owned()),
        config: config.as_ref().map(|config| config.descriptor.clone()),
        config_annotations: packing.annotations.config().cloned().unwrap_or_default(),
        layers: layers.descriptors(),
        subject: Some(subject.plain()),
        annotations: packing.annotations.manifest().cloned().unwrap_or_default(),
        created: packing.created,
        ..ManifestOptions::default()
    })?;
    let parts = layers.packed.iter().cloned().chain(config).chain(made);
    pushing.push(&manifest, parts, &[]).await?;
    if format.is_structured() {
        format.write(session.ui, &Described::new(&target.location.path, &manifest.descriptor))?;
    } else {
        let (kind, at) = (target.location.kind_name(), target.location.at(&subject.digest));
        session.ui.line(format_args!("Attached to [{kind}] {at}"));
        session.ui.line(format_args!("Digest: {}", manifest.digest()));
    }
    packing.export(&manifest)
}
