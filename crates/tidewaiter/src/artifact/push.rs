//! `push`: files as an artifact.

use tidewaiter_cobra::{Arguments, Command, Flag, Matches, Values};
use tidewaiter_oci::pack::{
    ImageSpec, ManifestOptions, Packed, UNKNOWN_ARTIFACT, pack_manifest, platform_config,
};
use tidewaiter_oci::{Manifest, Platform};

use crate::artifact::complete;
use crate::artifact::display::result::{Described, Pushed};
use crate::artifact::display::status::{self, Status, Style};
use crate::artifact::failure::{self, Failure, Outcome};
use crate::artifact::options::format::{self, Format};
use crate::artifact::options::remote::{self, Side};
use crate::artifact::options::target::{self, TargetOptions};
use crate::artifact::options::{concurrency, platform, terminal, verbose};
use crate::artifact::packing::{self, PackingOptions, Pushing};
use crate::artifact::session::Session;
use crate::artifact::tag::check_tag;

pub(crate) fn command() -> Command {
    Command::new("push")
        .positionals("[flags] <name>[:<tag>[,<tag>][...]] <file>[:<type>] [...]")
        .short("Push files and directories as one artifact")
        .long(
            "Push files and directories as one artifact\n\n\
             Each becomes a layer with its name. A media type may stand after a colon; a directory is \
             archived.\n\n\
             Example - Push a file:\n  \
             {oras} push registry.example.com/team/app/docs:1.4 manual.pdf\n\n\
             Example - Say what the artifact is, and what each file is:\n  \
             {oras} push --artifact-type application/vnd.example.model \
             registry.example.com/team/app/model:3 weights.bin:application/octet-stream \
             card.md:text/markdown\n\n\
             Example - Push a file whose own name has a colon:\n  \
             {oras} push registry.example.com/team/app/logs:today app-12:30.log:\n\n\
             Example - Push under three tags:\n  \
             {oras} push registry.example.com/team/app/docs:1.4,1,latest manual.pdf\n\n\
             Example - Push a directory; from the same files comes the same digest:\n  \
             {oras} push --reproducible registry.example.com/team/app/site:1.4 ./public\n\n\
             Example - Push what another program writes:\n  \
             make-report | {oras} push --stdin-name report.json --stdin-type application/json \
             registry.example.com/team/app/report:today -\n\n\
             Example - Say where it comes from:\n  \
             {oras} push -a org.opencontainers.image.revision=9f3c2ab \
             registry.example.com/team/app/docs:1.4 manual.pdf\n\n\
             Example - Give it a config of its own:\n  \
             {oras} push --config settings.json:application/vnd.example.config+json \
             registry.example.com/team/app/model:3 weights.bin\n\n\
             Example - Keep the manifest, to sign it:\n  \
             {oras} push --export-manifest manifest.json registry.example.com/team/app/docs:1.4 \
             manual.pdf\n\n\
             Example - [Experimental] Keep the reference with its digest:\n  \
             pushed=$({oras} push registry.example.com/team/app/docs:1.4 manual.pdf --format \
             go-template='{{.reference}}')\n\n\
             Example - Push to a layout on disk:\n  \
             {oras} push --oci-layout ./docs-layout:1.4 manual.pdf\n",
        )
        .arguments(Arguments::AtLeast(1), &[Values::Ask(complete::REFERENCE), Values::Files])
        .flags(target::flags(Side::ONLY))
        .flags(packing::flags())
        .flags(format::flags(format::USUAL))
        .flag(terminal::flag())
        .flag(Flag::text("config", "use the file at `path` as config; a media type may follow a colon"))
        .flag(Flag::text("artifact-type", "type of the artifact: a media type, also one of your own").values(Values::Nothing))
        .flag(platform::named("artifact-platform", "[Experimental] the platform the artifact is for, written into its config"))
        .flag(
            Flag::text("image-spec", "[Preview] which OCI image specification the manifest follows: v1.1, or v1.0 for old registries")
                .default("v1.1")
                .checked(check_image_spec)
                .values(Values::Words(&[("v1.1", "with an artifact type"), ("v1.0", "without")])),
        )
        .flag(concurrency(5))
        .flag(Flag::bool("force", "check every part of the artifact even though its manifest exists already"))
        .flag(remote::debug_flag())
        .flag(verbose(true))
}

fn check_image_spec(text: &str) -> Result<(), String> {
    match text {
        "v1.0" | "v1.1" => Ok(()),
        other => Err(format!("unknown image specification flag: {other}\nAvailable options: v1.1, v1.0")),
    }
}

/// What kind of manifest is to be made.
struct Shape {
    spec: ImageSpec,
    artifact_type: Option<String>,
    config: Option<String>,
    platform: Option<Platform>,
}

fn read_shape(matches: &Matches) -> Outcome<Shape> {
    failure::exclusive(matches, &["config", "artifact-platform"])?;
    let given = |name: &str| Some(matches.text(name).to_owned()).filter(|text| !text.is_empty());
    let (config, artifact_type) = (given("config"), given("artifact-type"));
    let platform = platform::parse(matches.text("artifact-platform"))?;
    let mut spec = if matches.text("image-spec") == "v1.0" { ImageSpec::V1_0 } else { ImageSpec::V1_1 };
    if config.is_some() && artifact_type.is_none() {
        // An artifact of 1.1 should have a type; with only a configuration it is what 1.0 made.
        if !matches.given("image-spec") {
            spec = ImageSpec::V1_0;
        } else if spec == ImageSpec::V1_1 {
            return Err(Failure::new("missing artifact type for OCI image-spec v1.1 artifacts")
                .advice("Give one with `--artifact-type`, or use `--image-spec v1.0`"));
        }
    }
    let artifact_type = match spec {
        ImageSpec::V1_0 if config.is_some() && artifact_type.is_some() => {
            return Err(Failure::new(
                "--artifact-type and --config cannot both be provided for 1.0 OCI image",
            ));
        }
        ImageSpec::V1_0 if platform.is_some() && artifact_type.is_some() => {
            let message =
                "artifact type cannot be customized for OCI image-spec v1.0 when platform is specified";
            return Err(
                Failure::new(message).advice("Use `--image-spec v1.1`, or leave `--artifact-type` out")
            );
        }
        ImageSpec::V1_1 if config.is_none() => {
            Some(artifact_type.unwrap_or_else(|| UNKNOWN_ARTIFACT.to_owned()))
        }
        _ => artifact_type,
    };
    Ok(Shape { spec, artifact_type, config, platform })
}

pub(crate) async fn run(session: &Session, matches: &Matches) -> Outcome {
    let [raw, files @ ..] = matches.arguments() else { return Err(Failure::new("no reference given")) };
    let mut references = raw.split(',');
    let format = format::read(matches, format::USUAL)?;
    let packing = PackingOptions::read(matches, files)?;
    let target = TargetOptions::read(session, matches, Side::ONLY, references.next().unwrap_or_default())?;
    let shape = read_shape(matches)?;
    matches.validate()?;
    let tags: Vec<String> = match target.location.reference.as_str() {
        "" => Vec::new(),
        first => std::iter::once(first).chain(references).map(str::to_owned).collect(),
    };
    tags.iter().try_for_each(|tag| check_tag(&target, tag))?;
    let status = Status::new(session.ui, status::UPLOAD, style(matches, &format));
    let store = target.open(session).await?.target();
    let pushing = Pushing::new(session, matches, &target, store, &status);
    let config = config(&packing, &shape).await?;
    let layers = pushing.pack(&packing).await?;
    let (manifest, made) = pack_manifest(ManifestOptions {
        spec: shape.spec,
        artifact_type: shape.artifact_type,
        config: config.as_ref().map(|config| config.descriptor.clone()),
        config_annotations: packing.annotations.config().cloned().unwrap_or_default(),
        layers: layers.descriptors(),
        subject: None,
        annotations: packing.annotations.manifest().cloned().unwrap_or_default(),
        created: packing.created,
    })?;
    let parts = layers.packed.iter().cloned().chain(config).chain(made);
    pushing.push(&manifest, parts, &tags).await?;
    report(session, &target, &format, &manifest, &tags)?;
    packing.export(&manifest)
}

/// How status is shown by a command with `--format`.
pub(crate) fn style(matches: &Matches, format: &Format) -> Style {
    match (terminal::draws(matches), format.is_structured()) {
        (true, _) => Style::Bars,
        (false, true) => Style::Silent,
        (false, false) => Style::Lines { unnamed: matches.bool("verbose") },
    }
}

/// The artifact's configuration, when it has one of its own.
async fn config(packing: &PackingOptions, shape: &Shape) -> Outcome<Option<Packed>> {
    match (&shape.config, &shape.platform) {
        (Some(file), _) => packing.pack_config(file).await.map(Some),
        (None, Some(platform)) => {
            let mut config = platform_config(platform)?;
            config.descriptor.annotations = packing.annotations.config().cloned();
            Ok(Some(config))
        }
        (None, None) => Ok(None),
    }
}

fn report(
    session: &Session,
    target: &TargetOptions,
    format: &Format,
    manifest: &Manifest,
    tags: &[String],
) -> Outcome {
    let path = &target.location.path;
    if format.is_structured() {
        let mut reference_as_tags: Vec<_> = tags.iter().map(|tag| format!("{path}:{tag}")).collect();
        reference_as_tags.sort();
        let described = Described::new(path, &manifest.descriptor);
        return format.write(session.ui, &Pushed { described, reference_as_tags });
    }
    session.ui.line(format_args!("Pushed {}", target.location.annotated()));
    for tag in tags.iter().skip(1) {
        session.ui.line(format_args!("Tagged {tag}"));
    }
    if let Some(artifact_type) = &manifest.descriptor.artifact_type {
        session.ui.line(format_args!("ArtifactType: {artifact_type}"));
    }
    session.ui.line(format_args!("Digest: {}", manifest.digest()));
    Ok(())
}
