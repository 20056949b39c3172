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
        .short("Check a user name and password with a registry, and keep them")
        .long(
            "Check a user name and password with a registry, and keep them\n\n\
             They are kept where Docker keeps its own, so that other clients find them: with the credential \
             helper that Docker's configuration file names, else in that file.\n\n\
             Example - Be asked for user name and password:\n  \
             {oras} login registry.example.com\n\n\
             Example - Log in from a script; the password is neither in its text nor among the arguments:\n  \
             {oras} login --username ci --password-stdin registry.example.com < password.txt\n\n\
             Example - Log in with an identity token:\n  \
             {oras} login --identity-token-stdin registry.example.com < token.txt\n\n\
             Example - Keep the credential in a file that goes away with the job:\n  \
             {oras} login --registry-config ./job-auth.json -u ci --password-stdin registry.example.com < \
             password.txt\n\n\
             Example - Log in to a registry whose certificate your company signs:\n  \
             {oras} login --ca-file company-ca.pem registry.example.com\n",
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
