//! `manifest push`: a manifest from a file or standard input, byte for byte.

use std::io::Read as _;
use std::path::Path;

use bytes::Bytes;
use tidewaiter_cobra::{Arguments, Command, Flag, Matches, Values};
use tidewaiter_oci::content::{Content, Target};
use tidewaiter_oci::copy::{Event, Reporter as _};
use tidewaiter_oci::manifest::MAX_MANIFEST_SIZE;
use tidewaiter_oci::{Algorithm, Manifest};

use super::write_json;
use crate::artifact::complete;
use crate::artifact::display::json;
use crate::artifact::display::result::Plain;
use crate::artifact::display::status::{self, Status, Style};
use crate::artifact::failure::{self, Failure, Outcome};
use crate::artifact::options::remote::{self, Side};
use crate::artifact::options::target::{self, TargetOptions};
use crate::artifact::options::{concurrency, descriptor, pretty, verbose};
use crate::artifact::session::Session;
use crate::artifact::tag::check_tag;

pub(crate) fn command() -> Command {
    Command::new("push")
        .positionals("[flags] <name>[:<tag>[,<tag>][...]|@<digest>] <file>")
        .short("Push a manifest that is in a file")
        .long(
            "Push a manifest that is in a file\n\n\
             Registries refuse a manifest that names what they do not have: push its blobs first, and the \
             manifests that an index lists.\n\n\
             Example - Push a manifest under a tag:\n  \
             {oras} manifest push registry.example.com/team/app:1.4 manifest.json\n\n\
             Example - Push it under three tags:\n  \
             {oras} manifest push registry.example.com/team/app:1.4,1,latest manifest.json\n\n\
             Example - Put the manifest of one repository into another that has the blobs:\n  \
             {oras} manifest fetch registry.example.com/team/app:1.4 | {oras} manifest push \
             registry.example.com/team/mirror:1.4 -\n\n\
             Example - Say what it is, when the file does not:\n  \
             {oras} manifest push --media-type application/vnd.oci.image.manifest.v1+json \
             registry.example.com/team/app:1.4 manifest.json\n\n\
             Example - Get its descriptor, to list it in an index:\n  \
             {oras} manifest push --descriptor registry.example.com/team/app manifest.json\n\n\
             Example - Push to a layout on disk:\n  \
             {oras} manifest push --oci-layout ./app-layout:1.4 manifest.json\n",
        )
        .arguments(Arguments::Exactly(2), &[Values::Ask(complete::REFERENCE), Values::Files, Values::Nothing])
        .flags(target::flags(Side::ONLY))
        .flag(remote::distribution_spec_flag(Side::ONLY))
        .flag(descriptor("pushed manifest"))
        .flag(pretty())
        .flag(
            Flag::text("media-type", "media type to push it as, by default the one it states itself")
                .values(Values::Nothing),
        )
        .flag(concurrency(5))
        .flag(remote::debug_flag())
        .flag(verbose(true))
}

/// `-` and a secret cannot both come from standard input.
pub(crate) fn check_stdin(matches: &Matches, file: &str) -> Outcome {
    for (flag, what) in [("password-stdin", "password"), ("identity-token-stdin", "identity token")] {
        if file == "-" && matches.bool(flag) {
            return Err(Failure::new(format!(
                "`-` read file from input and `--{flag}` read {what} from input cannot be both used"
            )));
        }
    }
    Ok(())
}

fn read_file(file: &str) -> Outcome<Vec<u8>> {
    let path = Path::new(if file == "-" { "standard input" } else { file });
    let mut bytes = Vec::new();
    let limit = MAX_MANIFEST_SIZE + 1;
    let read = if file == "-" {
        std::io::stdin().lock().take(limit).read_to_end(&mut bytes)
    } else {
        std::fs::File::open(path).and_then(|file| file.take(limit).read_to_end(&mut bytes))
    };
    read.map_err(failure::file("read", path))?;
    Ok(bytes)
}

/// The media type that a manifest states.
fn stated_type(bytes: &[u8]) -> Option<String> {
    let json: serde_json::Value = serde_json::from_slice(bytes).ok()?;
    json.get("mediaType")?.as_str().filter(|stated| !stated.is_empty()).map(str::to_owned)
}

pub(crate) async fn run(session: &Session, matches: &Matches) -> Outcome {
    let [raw, file] = matches.arguments() else { return Err(Failure::new("no file given")) };
    check_stdin(matches, file)?;
    let mut references = raw.split(',');
    let target = TargetOptions::read(session, matches, Side::ONLY, references.next().unwrap_or_default())?;
    matches.validate()?;
    let manifest = read_manifest(session, matches, &target, file)?;
    let tags: Vec<&str> = references.collect();
    tags.iter().try_for_each(|tag| check_tag(&target, tag))?;
    let store = target.open(session).await?.target();
    let blame = |error| target.blame(session, error);
    let silent = matches.bool("descriptor");
    let style = if silent { Style::Silent } else { Style::Lines { unnamed: matches.bool("verbose") } };
    let status = Status::new(session.ui, status::UPLOAD, style);
    push(&*store, &manifest, &target.location.reference, &status).await.map_err(blame)?;
    if !silent {
        session.ui.line(format_args!("Pushed: {}", target.location.annotated()));
    }
    for tag in tags {
        store.push_tagged(&manifest, tag).await.map_err(blame)?;
        if !silent {
            session.ui.line(format_args!("Tagged {tag}"));
        }
    }
    if silent {
        let plain = json::compact(&Plain::from(&manifest.descriptor));
        write_json(session.ui, plain.as_bytes(), matches.bool("pretty"));
    } else {
        session.ui.line(format_args!("Digest: {}", manifest.digest()));
    }
    Ok(())
}

fn read_manifest(
    session: &Session,
    matches: &Matches,
    target: &TargetOptions,
    file: &str,
) -> Outcome<Manifest> {
    let bytes = read_file(file)?;
    let media_type = match matches.text("media-type") {
        "" => stated_type(&bytes).ok_or_else(|| {
            let message =
                format!("media type is not specified via the flag \"--media-type\" nor in \"{file}\"");
            Failure::new(message)
                .usage(&session.use_line)
                .advice("Give it with --media-type, or as \"mediaType\" in the file")
        })?,
        media_type => media_type.to_owned(),
    };
    let wanted = target.location.digest();
    let algorithm = wanted.as_ref().map_or(Algorithm::Sha256, tidewaiter_oci::Digest::algorithm);
    let manifest = Manifest::parse_with(algorithm, Bytes::from(bytes), Some(&media_type))
        .map_err(|error| Failure::new(error.to_string()))?;
    match wanted {
        Some(wanted) if wanted != *manifest.digest() => {
            Err(Failure::new(format!("{file} has digest {}, not {wanted}", manifest.digest())))
        }
        _ => Ok(manifest),
    }
}

/// Pushes a manifest under a tag, or by its digest, unless it is there under that name.
async fn push(
    store: &dyn Target,
    manifest: &Manifest,
    reference: &str,
    status: &Status,
) -> tidewaiter_oci::Result<()> {
    let by_digest = reference.is_empty() || reference == manifest.digest().as_str();
    let name = if by_digest { manifest.digest().as_str() } else { reference };
    let present = match store.resolve(name).await {
        Ok(found) => found.digest == *manifest.digest(),
        Err(error) if error.is_not_found() => false,
        Err(error) => return Err(error),
    };
    if present {
        store.record(manifest).await?;
        status.report(&manifest.descriptor, Event::Exists);
        return Ok(());
    }
    status.report(&manifest.descriptor, Event::Started);
    if by_digest {
        store.push(&manifest.descriptor, Content::Bytes(manifest.bytes.clone())).await?;
    } else {
        store.push_tagged(manifest, reference).await?;
    }
    status.report(&manifest.descriptor, Event::Copied);
    Ok(())
}
