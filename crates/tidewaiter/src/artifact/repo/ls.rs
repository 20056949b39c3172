//! `repo ls`: the repositories of a registry.

use tidewaiter_cobra::{Arguments, Command, Flag, Matches, Values};
use tidewaiter_oci::Error;

use crate::artifact::complete;
use crate::artifact::display::line::one_line;
use crate::artifact::display::result::Repositories;
use crate::artifact::failure::{FROM_REGISTRY, Failure, Outcome};
use crate::artifact::options::format::{self, Format};
use crate::artifact::options::remote::{self, RemoteOptions, Side};
use crate::artifact::options::target::is_answer;
use crate::artifact::options::verbose;
use crate::artifact::session::Session;

pub(crate) fn command() -> Command {
    Command::new("ls")
        .aliases(&["list"])
        .positionals("[flags] <registry>[/namespace]")
        .short("Show which repositories a registry has")
        .long(
            "Show which repositories a registry has\n\n\
             Below a namespace, plain text has the names without it, and json and go-template have them whole.\n\n\
             Example - See them all:\n  \
             {oras} repo ls registry.example.com\n\n\
             Example - See those of one team:\n  \
             {oras} repo ls registry.example.com/team\n\n\
             Example - Go on where an earlier list ended:\n  \
             {oras} repo ls --last team/app registry.example.com\n\n\
             Example - [Experimental] Hand the list to another program:\n  \
             {oras} repo ls localhost:5000 --format json\n\n\
             Example - [Experimental] Count them:\n  \
             {oras} repo ls localhost:5000 --format go-template='{{len .repositories}}'\n",
        )
        .arguments(Arguments::Exactly(1), &[Values::Ask(complete::REGISTRY), Values::Nothing])
        .flags(remote::flags(Side::ONLY))
        .flags(format::flags(format::USUAL))
        .flag(Flag::text("last", "show only names that sort after `last`").values(Values::Nothing))
        .flag(remote::debug_flag())
        .flag(verbose(false))
}

pub(crate) async fn run(session: &Session, matches: &Matches) -> Outcome {
    let argument = &matches.arguments()[0];
    let format = format::read(matches, format::USUAL)?;
    let remote = RemoteOptions::read(session, matches, Side::ONLY)?;
    matches.validate()?;
    let (registry, namespace) = argument.split_once('/').unwrap_or((argument, ""));
    let namespace = namespace.trim_end_matches('/');
    if namespace.contains([':', '@']) {
        return Err(Failure::new("could not parse repository path: tags or digests should not be provided"));
    }
    let prefix = if namespace.is_empty() { String::new() } else { format!("{namespace}/") };
    let blame = |error: Error| match is_answer(&error) {
        true => Failure::from(error).prefixed(FROM_REGISTRY),
        false if matches!(error, Error::MissingCredential { .. }) => remote.explain(error),
        false => remote.explain(error).context("could not list repositories"),
    };
    let last = Some(matches.text("last")).filter(|last| !last.is_empty());
    // The catalogue has whole names: within a namespace the last one is one of its names, or whole itself.
    let last =
        last.map(|last| if last.starts_with(&prefix) { last.to_owned() } else { format!("{prefix}{last}") });
    let client = remote.client(session, registry, None)?;
    let mut pages = client.registry(registry).map_err(blame)?.catalog(last.as_deref());
    let mut found = Vec::new();
    while let Some(page) = pages.next().await.map_err(blame)? {
        let names = page.into_iter().filter(|name| name.starts_with(&prefix));
        if format == Format::Text {
            names.for_each(|name| session.ui.line(one_line(&name[prefix.len()..])));
        } else {
            // Templates and scripts get whole names, which stand for themselves.
            found.extend(names);
        }
    }
    format.write(session.ui, &Repositories { registry: registry.to_owned(), repositories: found })
}
