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
        .short("Attach files to an existing artifact")
        .long(
            "Attach files to an existing artifact\n\n\
             Example - Attach file 'hi.txt' with artifact type 'doc/example' to manifest 'hello:v1' in registry \
             'localhost:5000':\n  {oras} attach --artifact-type doc/example localhost:5000/hello:v1 hi.txt\n\n\
             Example - Push file \"hi.txt\" with the custom layer media type 'application/vnd.me.hi':\n  \
             {oras} attach --artifact-type doc/example localhost:5000/hello:v1 hi.txt:application/vnd.me.hi\n\n\
             Example - Attach file 'hi.txt' using a specific method for the Referrers API:\n  \
             {oras} attach --artifact-type doc/example --distribution-spec v1.1-referrers-api \
             localhost:5000/hello:v1 hi.txt\n  \
             {oras} attach --artifact-type doc/example --distribution-spec v1.1-referrers-tag \
             localhost:5000/hello:v1 hi.txt\n\n\
             Example - Attach file 'hi.txt' and add annotations from file 'annotation.json':\n  \
             {oras} attach --artifact-type doc/example --annotation-file annotation.json \
             localhost:5000/hello:v1 hi.txt\n\n\
             Example - Attach an artifact with manifest annotations:\n  \
             {oras} attach --artifact-type doc/example --annotation \"key1=val1\" --annotation \"key2=val2\" \
             localhost:5000/hello:v1\n\n\
             Example - [Experimental] Attach file 'hi.txt' and format output in JSON:\n  \
             {oras} attach --artifact-type doc/example localhost:5000/hello:v1 hi.txt --format json\n\n\
             Example - Attach file to the manifest tagged 'v1' in an OCI image layout folder 'layout-dir':\n  \
             {oras} attach --oci-layout --artifact-type doc/example layout-dir:v1 hi.txt\n",
        )
        .arguments(Arguments::AtLeast(1), &[Values::Ask(complete::REFERENCE), Values::Files])
        .flags(target::flags(Side::ONLY))
        .flag(remote::distribution_spec_flag(Side::ONLY))
        .flag(platform::named("platform", "attach to an arch-specific subject"))
        .flags(packing::flags())
        .flags(format::flags(format::USUAL))
        .flag(terminal::flag())
        .flag(Flag::text("artifact-type", "artifact type").required().values(Values::Nothing))
        .flag(Flag::text("config", "`path` of image config file"))
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
                "To attach to an existing artifact, please provide files via argument or annotations via flag \
                 \"--annotation\". Run \"{} -h\" for more options and examples",
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
