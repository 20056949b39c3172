//! The tree of commands, and what is said to words that do not fit it.

use tidewaiter_cobra::{Arguments, Command, Error};

use crate::artifact::failure::Failure;
use crate::artifact::session::Session;
use crate::artifact::{
    attach, backup, blob, cp, discover, login, logout, manifest, pull, push, repo, resolve, restore, tag,
    version,
};

/// In help texts, what stands for how the program is called.
const PROGRAM: &str = "{oras}";

/// All commands; `program` is how they are reached.
pub(crate) fn root(program: &str) -> Command {
    let invocation: Vec<&str> = program.split(' ').collect();
    let index = Command::group("index")
        .short("[Experimental] Index operations")
        .command(manifest::index_create::command())
        .command(manifest::index_update::command());
    let manifests = Command::group("manifest")
        .short("Manifest operations")
        .command(manifest::delete::command())
        .command(manifest::fetch::command())
        .command(manifest::fetch_config::command())
        .command(manifest::push::command())
        .command(index);
    let blobs = Command::group("blob")
        .short("Blob operations")
        .command(blob::delete::command())
        .command(blob::fetch::command())
        .command(blob::push::command());
    let repositories = Command::group("repo")
        .aliases(&["repository"])
        .short("Repository operations")
        .command(repo::ls::command())
        .command(repo::tags::command());
    let commands = [
        attach::command(),
        backup::command(),
        blobs,
        cp::command(),
        discover::command(),
        login::command(),
        logout::command(),
        manifests,
        pull::command(),
        push::command(),
        repositories,
        resolve::command(),
        restore::command(),
        tag::command(),
        version::command(),
    ];
    let root = Command::group(program.to_owned());
    let root = commands.into_iter().fold(root, Command::command);
    root.with_builtins(&invocation).replace_in_texts(PROGRAM, program)
}

/// What the arguments of a command are, for the error that says how many there must be.
fn role(names: &[&str]) -> &'static str {
    match names {
        ["attach"] => "the destination artifact for attaching",
        ["backup"] => "the artifacts to back up",
        ["blob", "delete"] => "the target blob to delete",
        ["blob", "fetch"] => "the target blob to fetch",
        ["blob", "push"] => "the destination to push to and the file to read blob content from",
        ["cp"] => "the source and destination for copying",
        ["discover"] => "the target artifact to discover referrers from",
        ["login"] => "the registry to log in to",
        ["logout"] => "the registry you want to log out",
        ["manifest", "delete"] => "the manifest to delete",
        ["manifest", "fetch"] => "the manifest to fetch",
        ["manifest", "fetch-config"] => "the manifest config to fetch",
        ["manifest", "index", "create"] => "the destination index to create",
        ["manifest", "index", "update"] => "the target index to update",
        ["manifest", "push"] => "the destination to push to and the file to read manifest content from",
        ["pull"] => "the artifact reference you want to pull",
        ["push"] => "the destination for pushing",
        ["repo", "ls"] => "the target registry to list repositories from",
        ["repo", "tags"] => "the target repository to list tags from",
        ["resolve"] => "the target artifact reference to resolve",
        ["restore"] => "the targets to restore to",
        ["tag"] => "the artifact to be retagged and the tags to be added",
        ["tag", "rm"] => "the tags to be removed",
        _ => "the arguments",
    }
}

/// Why a command line was refused.
pub(crate) fn refused(names: &[&str], session: &Session, error: Error) -> Failure {
    let Error::ArgumentCount { expected, got, first, .. } = error else { return error.into() };
    if let Some(failure) = tag::mistaken_subcommand(session, names, first.as_deref()) {
        return failure;
    }
    // ORAS says "argument" whatever the number is.
    let wanted = match expected {
        Arguments::Exactly(count) => format!("exactly {count} argument"),
        Arguments::AtLeast(count) => format!("at least {count} argument"),
        _ => {
            let path = session.path.clone();
            return Error::ArgumentCount { expected, got, path, first }.into();
        }
    };
    Failure::new(format!("\"{}\" requires {wanted} but got {got}", session.path))
        .usage(&session.use_line)
        .advice(format!(
            "Please specify {wanted} as {}. Run \"{} -h\" for more options and examples",
            role(names),
            session.path
        ))
}
