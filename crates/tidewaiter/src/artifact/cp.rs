//! `cp`: artifacts from one place to another, with what refers to them.

use std::sync::Arc;

use tidewaiter_cobra::{Arguments, Command, Flag, Matches, Values};
use tidewaiter_oci::content::ReadTarget;
use tidewaiter_oci::copy::{Concurrency, Copier, CopyError, CopyOptions, Origin, ReferrerFilter, Selection};
use tidewaiter_oci::{Descriptor, Digest, Error, Platform};

use crate::artifact::complete;
use crate::artifact::display::status::{self, Status, Style};
use crate::artifact::failure::{Failure, Outcome};
use crate::artifact::options::location::Kind;
use crate::artifact::options::remote::{self, Side};
use crate::artifact::options::target::{self, Opened, TargetOptions};
use crate::artifact::options::{concurrency, platform, read_concurrency, terminal, verbose};
use crate::artifact::session::Session;
use crate::artifact::tag::check_tag;

pub(crate) fn command() -> Command {
    Command::new("cp")
        .aliases(&["copy"])
        .positionals("[flags] <from>{:<tag>|@<digest>} <to>[:<tag>[,<tag>][...]]")
        .short("Copy an image or artifact to another repository or layout")
        .long(
            "Copy an image or artifact to another repository or layout\n\n\
             Of an index, all the manifests it lists go along, unless `--platform` chooses some. What is \
             there already is not sent again.\n\n\
             Example - Promote a release from staging to production:\n  \
             {oras} cp staging.example.com/team/app:1.4 registry.example.com/team/app:1.4\n\n\
             Example - Give the copy three tags:\n  \
             {oras} cp staging.example.com/team/app:1.4 registry.example.com/team/app:1.4,1,latest\n\n\
             Example - Take signatures, SBOMs and all else that refers to it along:\n  \
             {oras} cp --recursive staging.example.com/team/app:1.4 registry.example.com/team/app:1.4\n\n\
             Example - Take SBOMs along, and no other referrers:\n  \
             {oras} cp --recursive --referrer-type application/spdx+json staging.example.com/team/app:1.4 \
             registry.example.com/team/app:1.4\n\n\
             Example - Copy two platforms under an index of their own:\n  \
             {oras} cp --platform linux/amd64,linux/arm64 staging.example.com/team/app:1.4 \
             registry.example.com/team/app:1.4\n\n\
             Example - Carry a release to a network that has no way out:\n  \
             {oras} cp --to-oci-layout registry.example.com/team/app:1.4 ./carry:1.4\n  \
             {oras} cp --from-oci-layout ./carry:1.4 registry.internal/team/app:1.4\n\n\
             Example - Push a layout that was archived with tar:\n  \
             {oras} cp --from-oci-layout carry.tar:1.4 registry.internal/team/app:1.4\n",
        )
        .arguments(
            Arguments::Exactly(2),
            &[Values::Ask(complete::REFERENCE), Values::Ask(complete::REFERENCE), Values::Nothing],
        )
        .flags(target::flags(Side::FROM))
        .flag(remote::distribution_spec_flag(Side::FROM))
        .flags(target::flags(Side::TO))
        .flag(remote::distribution_spec_flag(Side::TO))
        .flag(
            Flag::repeated(
                "resolve",
                "as --from-resolve and --to-resolve, for both sides: `host:port:address[:address_port]`",
            )
            .values(Values::Nothing),
        )
        .flags(own_flags())
        .flag(terminal::flag())
        .flag(concurrency(3))
        .flag(remote::debug_flag())
        .flag(verbose(true))
}

fn own_flags() -> [Flag; 6] {
    [
        Flag::commas(
            "platform",
            "of an index, copy the image for this platform: `os[/arch][/variant][:os_version]`; several, separated by commas, come under an index of their own",
        )
        .values(Values::Nothing),
        Flag::bool("sparse", "with --platform: keep the index as it is, although it names images that are not copied; registries may refuse it"),
        Flag::bool("recursive", "[Preview] copy what refers to the artifact as well: signatures, SBOMs, attestations").short('r'),
        Flag::repeated("referrer-type", "with --recursive: copy only referrers of this artifact `type`")
            .values(Values::Nothing),
        Flag::repeated("exclude-referrer-type", "with --recursive: copy no referrers of this artifact `type`")
            .values(Values::Nothing),
        Flag::bool("force", "check every part of the artifact even though its manifest exists already"),
    ]
}

pub(crate) async fn run(session: &Session, matches: &Matches) -> Outcome {
    let [from, to] = matches.arguments() else { return Err(Failure::new("no destination given")) };
    let mut references = to.split(',');
    let from = TargetOptions::read(session, matches, Side::FROM, from)?;
    let to = TargetOptions::read(session, matches, Side::TO, references.next().unwrap_or_default())?;
    let mut options = read_options(matches)?;
    matches.validate()?;
    let reference = from.reference(session)?;
    let tags: Vec<String> = match to.location.digest() {
        None if !to.location.reference.is_empty() => {
            std::iter::once(to.location.reference.as_str()).chain(references).map(str::to_owned).collect()
        }
        _ => references.map(str::to_owned).collect(),
    };
    tags.iter().try_for_each(|tag| check_tag(&to, tag))?;
    let source = from.open_readable(session).await?;
    let destination = to.open(session).await?;
    options.mount_from = mount_from(session, &from, &destination)?;
    options.expected = to.location.digest();
    let style = match terminal::draws(matches) {
        true => Style::Bars,
        false => Style::Lines { unnamed: matches.bool("verbose") },
    };
    let status = Status::new(session.ui, status::COPY, style);
    let (source_again, options_again) = (Arc::clone(&source), options.clone());
    let copier = Copier::new(source, destination.target(), options, Arc::clone(&status) as _);
    let copied = copier.copy(reference, &tags).await;
    status.finish();
    let copied = copied.map_err(|failed| match failed.origin {
        // Where it resolves by itself, ORAS says so.
        Origin::Reference if options_again.referrers.is_some() || to.location.reference.is_empty() => {
            from.blame(session, failed.error).context(format_args!("failed to resolve {reference}"))
        }
        _ => blame(&from, &to, failed),
    })?;
    let lost = left_behind(&*source_again, reference, &options_again, &copied).await;
    if let Some((index, count)) =
        lost.map_err(|error| blame(&from, &to, CopyError { origin: Origin::Source, error }))?
    {
        session.ui.note(format_args!(
            "Not copied: what refers to the index {index} ({count}), because the copy is a new index with another \
             digest. --sparse keeps the index"
        ));
    }
    let shown_from = match from.location.digest() {
        Some(digest) if digest != copied.digest => {
            format!("[{}] {}", from.location.kind_name(), from.location.at(&copied.digest))
        }
        _ => from.location.annotated(),
    };
    session.ui.line(format_args!("Copied {shown_from} => {}", to.location.annotated()));
    let in_reference = to.location.digest().is_none() && !to.location.reference.is_empty();
    for tag in tags.iter().skip(usize::from(in_reference)) {
        session.ui.line(format_args!("Tagged {tag}"));
    }
    session.ui.line(format_args!("Digest: {}", copied.digest));
    Ok(())
}

fn read_options(matches: &Matches) -> Outcome<CopyOptions> {
    let platforms: Vec<Platform> = matches
        .list("platform")
        .iter()
        .filter_map(|text| platform::parse(text).transpose())
        .collect::<Outcome<_>>()?;
    let selection = match (platforms, matches.bool("sparse")) {
        (platforms, true) if platforms.is_empty() => {
            return Err(Failure::new("--sparse must be used with --platform"));
        }
        (platforms, true) => Selection::Sparse(platforms),
        (mut platforms, false) => match (platforms.pop(), platforms.is_empty()) {
            (None, _) => Selection::Everything,
            (Some(only), true) => Selection::Platform(only),
            (Some(last), false) => {
                platforms.push(last);
                Selection::Filtered(platforms)
            }
        },
    };
    let recursive = matches.bool("recursive");
    for flag in ["referrer-type", "exclude-referrer-type"] {
        if matches.given(flag) && !recursive {
            return Err(Failure::new(format!("--{flag} must be used with --recursive")));
        }
    }
    Ok(CopyOptions {
        concurrency: Concurrency::new(read_concurrency(matches)),
        selection,
        referrers: recursive.then(|| ReferrerFilter {
            artifact_types: matches.list("referrer-type").to_vec(),
            excluded_types: matches.list("exclude-referrer-type").to_vec(),
            depth: None,
        }),
        force: matches.bool("force"),
        ..CopyOptions::default()
    })
}

/// The source's repository, when blobs can be mounted from it: both are on the same registry.
fn mount_from(session: &Session, from: &TargetOptions, to: &Opened) -> Outcome<Option<String>> {
    let (Kind::Registry(reference), Opened::Registry(destination)) = (&from.location.kind, to) else {
        return Ok(None);
    };
    let source = from.repository(session, reference)?;
    let name = reference.repository.as_str();
    let useful = destination.is_beside(&source) && destination.name().as_str() != name;
    Ok(useful.then(|| name.to_owned()))
}

/// What refers to an index that a new one took the place of, and would have been copied with it: the index, and how
/// many.
async fn left_behind(
    source: &dyn ReadTarget,
    reference: &str,
    options: &CopyOptions,
    copied: &Descriptor,
) -> tidewaiter_oci::Result<Option<(Digest, usize)>> {
    let (Some(filter), Selection::Filtered(_)) = (&options.referrers, &options.selection) else {
        return Ok(None);
    };
    let index = source.resolve(reference).await?;
    if index.digest == copied.digest {
        return Ok(None);
    }
    let referrers = source.referrers(&index, None).await?;
    let count = referrers.iter().filter(|referrer| filter.accepts(referrer)).count();
    Ok((count > 0).then_some((index.digest, count)))
}

/// Says which of the two sides failed.
fn blame(from: &TargetOptions, to: &TargetOptions, failed: CopyError) -> Failure {
    let (side, target) = match failed.origin {
        Origin::Source | Origin::Reference => ("source", from),
        Origin::Destination => ("destination", to),
    };
    let location = &target.location;
    if let Error::DigestMismatch { expected, actual } = &failed.error
        && location.digest().as_ref() == Some(expected)
        && failed.origin == Origin::Destination
    {
        return Failure::new(format!("{}: what is to be copied has the digest {actual}", location.raw));
    }
    let failure = target.remote.explain(failed.error);
    failure.prefixed(format!("Error from {side} {} for \"{}\":", location.kind_name(), location.raw))
}
