//! `repo tags`: the tags of a repository.

use tidewaiter_cobra::{Arguments, Command, Flag, Matches, Values};
use tidewaiter_oci::content::Tag as _;
use tidewaiter_oci::{Digest, Error};

use crate::artifact::complete;
use crate::artifact::display::line::one_line;
use crate::artifact::display::result::Tags;
use crate::artifact::failure::Outcome;
use crate::artifact::options::format::{self, Format};
use crate::artifact::options::location::Kind;
use crate::artifact::options::remote::{self, Side};
use crate::artifact::options::target::{self, TargetOptions};
use crate::artifact::options::verbose;
use crate::artifact::session::Session;

pub(crate) fn command() -> Command {
    Command::new("tags")
        .aliases(&["show-tags"])
        .positionals("[flags] <name>[:<tag>|@<digest>]")
        .short("Show which tags a repository or layout has")
        .long(
            "Show which tags a repository or layout has\n\n\
             Named with a tag or digest, it shows all tags of that manifest; this asks once for each tag \
             there is.\n\n\
             Example - See them all:\n  \
             {oras} repo tags registry.example.com/team/app\n\n\
             Example - Leave out those that clients made for referrers and signatures:\n  \
             {oras} repo tags --exclude-digest-tags registry.example.com/team/app\n\n\
             Example - Go on where an earlier list ended:\n  \
             {oras} repo tags --last 1.3 registry.example.com/team/app\n\n\
             Example - [Experimental] Find out which release `latest` is:\n  \
             {oras} repo tags registry.example.com/team/app:latest\n\n\
             Example - [Experimental] Hand the list to another program:\n  \
             {oras} repo tags localhost:5000/hello --format json\n\n\
             Example - [Experimental] Count them:\n  \
             {oras} repo tags localhost:5000/hello --format go-template='{{len .tags}}'\n\n\
             Example - See the tags of a layout on disk:\n  \
             {oras} repo tags --oci-layout ./app-layout\n",
        )
        .arguments(Arguments::Exactly(1), &[Values::Ask(complete::REFERENCE), Values::Nothing])
        .flags(target::flags(Side::ONLY))
        .flags(format::flags(format::USUAL))
        .flag(Flag::text("last", "show only tags that sort after `last`").values(Values::Nothing))
        .flag(Flag::bool(
            "exclude-digest-tags",
            "[Preview] leave out tags that are a digest with a dash: sha256-5891b5...",
        ))
        .flag(remote::debug_flag())
        .flag(verbose(false))
}

pub(crate) async fn run(session: &Session, matches: &Matches) -> Outcome {
    let format = format::read(matches, format::USUAL)?;
    let target = TargetOptions::read(session, matches, Side::ONLY, &matches.arguments()[0])?;
    matches.validate()?;
    let store = target.open_readable(session).await?;
    let blame = |error| target.blame(session, error);
    let last = Some(matches.text("last")).filter(|last| !last.is_empty());
    let reference = target.location.reference.as_str();
    let beneath = target.location.repository_in_layout().map(|repository| format!("{repository}:"));
    let wanted = match (reference, target.location.digest()) {
        ("", _) => None,
        _ if beneath.is_some() => None,
        (_, Some(digest)) => Some(digest),
        (tag, None) => Some(store.resolve(tag).await.map_err(blame)?.digest),
    };
    if let Some(digest) = &wanted {
        session.ui.note(format_args!(
            "[Experimental] querying tags associated to {digest}, it may take a while..."
        ));
    }
    let mut found = Vec::new();
    for tag in tags(session, &target, last).await? {
        let tag = match &beneath {
            None => tag,
            Some(prefix) => match tag.strip_prefix(prefix) {
                Some(tag) => tag.to_owned(),
                None => continue,
            },
        };
        if matches.bool("exclude-digest-tags") && is_digest_tag(&tag) {
            continue;
        }
        if let Some(digest) = &wanted
            && tag != reference
        {
            match store.resolve(&tag).await {
                Ok(descriptor) if descriptor.digest == *digest => {}
                Ok(_) | Err(Error::NotFound { .. }) => continue,
                Err(error) => return Err(blame(error)),
            }
        }
        if format == Format::Text {
            session.ui.line(one_line(&tag));
        } else {
            found.push(tag);
        }
    }
    format.write(session.ui, &Tags { tags: found })
}

/// The tags of a repository, a layout or an archive.
pub(crate) async fn tags(
    session: &Session,
    target: &TargetOptions,
    last: Option<&str>,
) -> Outcome<Vec<String>> {
    let blame = |error| target.blame(session, error);
    match &target.location.kind {
        Kind::Registry(reference) => {
            let repository = target.repository(session, reference)?;
            repository.tags(last).await.map_err(blame)
        }
        Kind::Layout(path) if path.is_file() => {
            let archive = tidewaiter_oci::archive::Archive::open(path).await?;
            Ok(listed(archive.references(), last))
        }
        Kind::Layout(_) => {
            let store = target.open_existing(session).await?.target();
            store.tags(last).await.map_err(blame)
        }
    }
}

fn listed(images: &[tidewaiter_oci::layout::ListedImage], last: Option<&str>) -> Vec<String> {
    let mut tags: Vec<String> = images.iter().flat_map(|image| image.names.iter().cloned()).collect();
    tags.sort();
    tags.retain(|tag| last.is_none_or(|last| tag.as_str() > last));
    tags
}

/// A tag of the referrers tag scheme: a digest with a dash.
fn is_digest_tag(tag: &str) -> bool {
    tag.replacen('-', ":", 1).parse::<Digest>().is_ok()
}
