//! `discover`: what refers to an artifact.

use std::io::IsTerminal as _;

use tidewaiter_cobra::{Arguments, Command, Flag, Matches, Values};
use tidewaiter_oci::graph::{Referrer, referrer_tree};
use tidewaiter_oci::{Descriptor, Digest};

use crate::artifact::complete;
use crate::artifact::display::json;
use crate::artifact::display::line::one_line;
use crate::artifact::display::result::{Described, Discovered, DiscoveredCompatibly};
use crate::artifact::display::tree::{self, TreeStyle};
use crate::artifact::failure::{self, Failure, Outcome};
use crate::artifact::options::format::{self, Format};
use crate::artifact::options::remote::{self, Side};
use crate::artifact::options::target::{self, TargetOptions};
use crate::artifact::options::{platform, terminal, verbose};
use crate::artifact::resolve::descriptor_of;
use crate::artifact::session::Session;

pub(crate) fn command() -> Command {
    Command::new("discover")
        .positionals("[flags] <name>{:<tag>|@<digest>}")
        .short("[Preview] Discover what is attached to an image or artifact")
        .long(
            "[Preview] Discover what is attached to an image or artifact\n\n\
             ** This command is in preview and under development. **\n\n\
             Example - See signatures, SBOMs and reports, and what is attached to those:\n  \
             {oras} discover registry.example.com/team/app:1.4\n\n\
             Example - Leave out what is attached to attachments:\n  \
             {oras} discover --depth 1 registry.example.com/team/app:1.4\n\n\
             Example - See the SBOMs alone:\n  \
             {oras} discover --artifact-type application/spdx+json registry.example.com/team/app:1.4\n\n\
             Example - See what is attached to one image of an index:\n  \
             {oras} discover --platform linux/arm64 registry.example.com/team/app:1.4\n\n\
             Example - [Experimental] Pull every SBOM there is:\n  \
             {oras} discover registry.example.com/team/app:1.4 --artifact-type application/spdx+json \
             --format go-template='{{range .referrers}}{{println .reference}}{{end}}' | while read -r sbom; \
             do {oras} pull \"$sbom\"; done\n\n\
             Example - Read the list that clients keep under a tag where a registry has no referrers API:\n  \
             {oras} discover --distribution-spec v1.1-referrers-tag registry.example.com/team/app:1.4\n\n\
             Example - See what is attached in a layout on disk:\n  \
             {oras} discover --oci-layout ./app-layout:1.4\n",
        )
        .arguments(Arguments::Exactly(1), &[Values::Ask(complete::REFERENCE), Values::Nothing])
        .flags(target::flags(Side::ONLY))
        .flag(remote::distribution_spec_flag(Side::ONLY))
        .flag(platform::flag())
        .flags(format::flags(format::REFERRERS))
        .flag(terminal::colour_flag())
        .flag(Flag::text("artifact-type", "show only artifacts of this type").values(Values::Nothing))
        .flag(Flag::int("depth", "[Experimental] how many levels to show, all when not given"))
        .flag(
            Flag::text("output", "[Deprecated] what --format is for: tree, table or json")
                .short('o')
                .default("tree")
                .values(Values::Words(&[("table", ""), ("json", ""), ("tree", "")])),
        )
        .flag(remote::debug_flag())
        .flag(verbose(true))
}

pub(crate) async fn run(session: &Session, matches: &Matches) -> Outcome {
    failure::exclusive(matches, &["format", "output"])?;
    let depth = read_depth(matches)?;
    let format = read_format(session, matches)?;
    if format == Format::Table {
        session.ui.note("Format \"table\" is deprecated and will be removed in a future release.");
    }
    let target = TargetOptions::read(session, matches, Side::ONLY, &matches.arguments()[0])?;
    let platform = platform::read(matches)?;
    matches.validate()?;
    let reference = target.reference(session)?;
    let store = target.open_readable(session).await?;
    let blame = |error| target.blame(session, error);
    let subject = descriptor_of(&*store, reference, platform.as_ref()).await.map_err(blame)?;
    let artifact_type = Some(matches.text("artifact-type")).filter(|text| !text.is_empty());
    // A table has no levels.
    let depth = if format == Format::Table { Some(1) } else { depth };
    let referrers = referrer_tree(&*store, &subject, artifact_type, depth).await.map_err(blame)?;
    if let Some(digest) = repeated(&referrers, &mut vec![&subject.digest]) {
        session.ui.note(format_args!(
            "Warning: {digest} is listed as a referrer of itself; what refers to it is shown once"
        ));
    }
    let path = target.location.path.as_str();
    match &format {
        Format::Tree | Format::Text => {
            let colours = !matches.bool("no-tty") && std::io::stdout().is_terminal();
            let style = TreeStyle { colours, annotations: matches.bool("verbose") };
            session.ui.out(tree::draw(&target.location.at(&subject.digest), &referrers, style));
        }
        Format::Table => {
            write_table(session, &target.location.raw, &subject, &referrers, matches.bool("verbose"));
        }
        Format::Json if matches.given("output") => {
            let manifests = referrers.iter().map(|referrer| Described::new(path, &referrer.descriptor));
            let result = DiscoveredCompatibly {
                discovered: Discovered::new(path, &subject, &referrers),
                manifests: manifests.collect(),
            };
            format.write(session.ui, &result)?;
        }
        _ => format.write(session.ui, &Discovered::new(path, &subject, &referrers))?,
    }
    Ok(())
}

/// What stands below itself in a tree.
fn repeated<'t>(referrers: &'t [Referrer], above: &mut Vec<&'t Digest>) -> Option<&'t Digest> {
    referrers.iter().find_map(|referrer| {
        let digest = &referrer.descriptor.digest;
        if above.contains(&digest) {
            return Some(digest);
        }
        above.push(digest);
        let found = repeated(&referrer.referrers, above);
        above.pop();
        found
    })
}

fn read_depth(matches: &Matches) -> Outcome<Option<usize>> {
    if !matches.given("depth") {
        return Ok(None);
    }
    match usize::try_from(matches.int("depth")) {
        Ok(depth) if depth >= 1 => Ok(Some(depth)),
        _ => Err(Failure::new("depth value should be at least 1")),
    }
}

/// `--format`, or the deprecated `--output`.
fn read_format(session: &Session, matches: &Matches) -> Outcome<Format> {
    if !matches.given("output") {
        return format::read(matches, format::REFERRERS);
    }
    let (name, format) = match matches.text("output") {
        name @ "tree" => (name, Format::Tree),
        name @ "json" => (name, Format::Json),
        name @ "table" => (name, Format::Table),
        other => {
            let supported = "supported types: table, json, go-template, tree";
            return Err(Failure::new(format!("invalid format type: \"{other}\"\n{supported}")));
        }
    };
    session.ui.note(format_args!("[DEPRECATED] --output is deprecated, try `--format {name}` instead"));
    Ok(format)
}

fn write_table(session: &Session, raw: &str, subject: &Descriptor, referrers: &[Referrer], verbose: bool) {
    let noun = if referrers.len() == 1 { "artifact" } else { "artifacts" };
    session.ui.line(format_args!("Discovered {} {noun} referencing {raw}", referrers.len()));
    session.ui.line(format_args!("Digest: {}", subject.digest));
    if referrers.is_empty() {
        return;
    }
    session.ui.line("");
    const TYPE: &str = "Artifact Type";
    let type_of =
        |referrer: &Referrer| one_line(referrer.descriptor.artifact_type.as_deref().unwrap_or_default());
    let width = referrers.iter().map(|referrer| type_of(referrer).len()).max().unwrap_or(0).max(TYPE.len());
    session.ui.line(format_args!("{TYPE:width$}   Digest"));
    for referrer in referrers {
        session.ui.line(format_args!("{:width$}   {}", type_of(referrer), referrer.descriptor.digest));
        if verbose {
            session.ui.line(json::pretty(&referrer.descriptor));
        }
    }
}
