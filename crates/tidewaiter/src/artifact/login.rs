//! `login`: checks a credential with a registry and keeps it.

use tidewaiter_cobra::{Arguments, Command, Matches, Values};
use tidewaiter_oci::Error;

use crate::artifact::complete;
use crate::artifact::failure::{FROM_REGISTRY, Failure, Outcome};
use crate::artifact::options::remote::{self, RemoteOptions, Side, named_credential};
use crate::artifact::options::target::is_answer;
use crate::artifact::prompt;
use crate::artifact::session::Session;
use crate::environment;

pub(crate) fn command() -> Command {
    Command::new("login")
        .positionals("[flags] <registry>")
        .short("Log in to a remote registry")
        .long(
            "Log in to a remote registry\n\n\
             Example - Log in with username and password from command line flags:\n  \
             {oras} login -u username -p password localhost:5000\n\n\
             Example - Log in with username and password from stdin:\n  \
             {oras} login -u username --password-stdin localhost:5000\n\n\
             Example - Log in with identity token from command line flags:\n  \
             {oras} login --identity-token token localhost:5000\n\n\
             Example - Log in with identity token from stdin:\n  \
             {oras} login --identity-token-stdin localhost:5000\n\n\
             Example - Log in with username and password in an interactive terminal:\n  \
             {oras} login localhost:5000\n\n\
             Example - Log in with username and password in an interactive terminal and no TLS check:\n  \
             {oras} login --insecure localhost:5000\n",
        )
        .arguments(Arguments::Exactly(1), &[Values::Ask(complete::REGISTRY), Values::Nothing])
        .flags(remote::flags(Side::ONLY))
        .flag(remote::debug_flag())
        .flag(super::options::verbose(false))
}

pub(crate) async fn run(session: &Session, matches: &Matches) -> Outcome {
    let registry = &matches.arguments()[0];
    let mut remote = RemoteOptions::read(session, matches, Side::ONLY)?;
    matches.validate()?;
    if remote.store().path().is_none() {
        return Err(Failure::new("there is no file to keep credentials in, because HOME is not set").advice(
            format!(
                "Name a file with --registry-config, or a directory with the variable {}",
                environment::DOCKER_CONFIG
            ),
        ));
    }
    let typed = remote.credential().clone();
    if typed.password.is_empty() && typed.identity_token.is_empty() {
        let username = match typed.username.as_str() {
            "" => prompt::ask(session.ui, "Username: ").await?,
            username => username.to_owned(),
        };
        let what = if username.is_empty() { "token" } else { "password" };
        let question = if username.is_empty() { "Token: " } else { "Password: " };
        let secret = prompt::ask_secret(session.ui, question).await?;
        if secret.is_empty() {
            return Err(Failure::new(format!("{what} required")));
        }
        remote.set_credential(named_credential(&username, secret));
    }
    let blame = |error: Error| match error {
        Error::MissingCredential { .. } => Failure::new("basic credential not found")
            .advice(format!("{registry} asks for a user name and a password; a token alone does not do")),
        error if is_answer(&error) => Failure::from(error).prefixed(FROM_REGISTRY),
        error => error.into(),
    };
    let client = remote.client(session, registry, None)?;
    client.registry(registry).map_err(blame)?.ping().await.map_err(blame)?;
    remote.store().store(registry, remote.credential()).await?;
    session.ui.line("Login Succeeded");
    Ok(())
}
