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
        .short("[Experimental] Make and change indexes")
        .command(manifest::index_create::command())
        .command(manifest::index_update::command());
    let manifests = Command::group("manifest")
        .short("Show, push and delete manifests and indexes")
        .command(manifest::delete::command())
        .command(manifest::fetch::command())
        .command(manifest::fetch_config::command())
        .command(manifest::push::command())
        .command(index);
    let blobs = Command::group("blob")
        .short("Get, store and delete single blobs")
        .command(blob::delete::command())
        .command(blob::fetch::command())
        .command(blob::push::command());
    let repositories = Command::group("repo")
        .aliases(&["repository"])
        .short("Show which repositories and tags there are")
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
        ["attach"] => "the image or artifact to attach to, and the files",
        ["backup"] => "the repository, and tags if not all are to be saved",
        ["blob", "delete"] => "the blob to delete, by digest",
        ["blob", "fetch"] => "the blob to get, by digest",
        ["blob", "push"] => "the repository and the file, or - for standard input",
        ["cp"] => "where to copy from and where to",
        ["discover"] => "the image or artifact to look at",
        ["login"] => "the host of the registry",
        ["logout"] => "the host of the registry",
        ["manifest", "delete"] => "the manifest to delete, by tag or digest",
        ["manifest", "fetch"] => "the manifest to show, by tag or digest",
        ["manifest", "fetch-config"] => "the manifest whose config is wanted, by tag or digest",
        ["manifest", "index", "create"] => "the repository, and the manifests to list",
        ["manifest", "index", "update"] => "the index to change, by tag or digest",
        ["manifest", "push"] => "the repository and the file, or - for standard input",
        ["pull"] => "the artifact to pull, by tag or digest",
        ["push"] => "the repository, and the files",
        ["repo", "ls"] => "the host of the registry",
        ["repo", "tags"] => "the repository",
        ["resolve"] => "the artifact whose digest is wanted, by tag",
        ["restore"] => "the repository, and tags if not all are to be pushed",
        ["tag"] => "the image or artifact, and its new tags",
        ["tag", "rm"] => "the repository with the tags to take away",
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
        .advice(format!("Give {}. Run \"{} -h\" for examples", role(names), session.path))
}

#[cfg(test)]
mod tests {
    use tidewaiter_cobra::Action;

    use super::*;

    /// The examples in the help of a command and of all below it.
    fn examples(root: &Command, command: &Command, path: &[&str]) -> Vec<String> {
        let mut words: Vec<String> = path.iter().copied().map(str::to_owned).collect();
        words.push("--help".to_owned());
        let Ok(Action::Print(help)) = root.dispatch(&words).result else { panic!("no help of {path:?}") };
        let own = help.lines().take_while(|line| *line != "Usage:");
        let mut found: Vec<String> =
            own.filter_map(|line| line.strip_prefix("  ")).map(str::to_owned).collect();
        for child in command.commands() {
            found.extend(examples(root, child, &[path, &[child.name()]].concat()));
        }
        found
    }

    /// The words of each call of `oras` in a shell's command line.
    fn calls(line: &str) -> Vec<Vec<String>> {
        let mut calls: Vec<Vec<String>> = Vec::new();
        let mut word = String::new();
        let (mut quoted, mut ours) = (false, false);
        for c in line.chars().chain([' ']) {
            match c {
                '\'' => quoted = !quoted,
                _ if quoted => word.push(c),
                '"' => {}
                ' ' | '(' | ')' | ';' | '|' | '<' | '>' => {
                    match word.as_str() {
                        "oras" => calls.push(Vec::new()),
                        "" => {}
                        _ if ours => calls.last_mut().into_iter().for_each(|call| call.push(word.clone())),
                        _ => {}
                    }
                    ours = if matches!(c, ' ' | '(') { ours || word == "oras" } else { false };
                    word.clear();
                }
                _ => word.push(c),
            }
        }
        calls
    }

    #[test]
    fn examples_are_command_lines_that_we_take() {
        let root = root("oras");
        let examples = examples(&root, &root, &[]);
        assert!(examples.len() > 90, "{examples:?}");
        for line in examples {
            let calls = calls(&line);
            assert!(!calls.is_empty() || line.starts_with("echo "), "no call in {line}");
            for words in calls {
                match root.dispatch(&words).result {
                    Ok(Action::Run(matches)) => assert_eq!(matches.validate(), Ok(()), "{line}"),
                    Ok(Action::Print(_)) => {}
                    other => panic!("{line}: {other:?}"),
                }
            }
        }
    }
}
