//! Completion of what only a registry knows: its repositories and their tags.

use std::time::Duration;

use tidewaiter_cobra::{Answer, Candidate, Directive, Matches, Question};
use tidewaiter_oci::Reference;

use crate::artifact::failure::Outcome;
use crate::artifact::options::remote::{RemoteOptions, Side};
use crate::artifact::session::Session;
use crate::ui::Ui;

/// Asks for a registry's name.
pub(crate) const REGISTRY: &str = "registry";
/// Asks for a reference: registry, repository and tag.
pub(crate) const REFERENCE: &str = "reference";

/// How long somebody who pressed a key waits.
const PATIENCE: Duration = Duration::from_secs(3);
/// Most names that are offered.
const MOST: usize = 2000;

/// Writes an answer for the shell.
pub(crate) fn write(ui: Ui, answer: &Answer) {
    ui.out(answer.stdout());
    ui.note(answer.stderr().trim_end());
}

/// Answers a question; what cannot be found out in time is no candidate.
pub(crate) async fn answer(session: &Session, question: Question<'_>) -> Answer {
    if is_layout(&question.matches) {
        return question.answer(Vec::new(), Directive::DEFAULT);
    }
    let found = match question.kind {
        REFERENCE => {
            let work = references(session, &question.matches, &question.word);
            tokio::time::timeout(PATIENCE, work).await.ok().and_then(Result::ok)
        }
        _ => None,
    };
    // A name that spans lines would pass for several.
    let words = found.unwrap_or_default().into_iter().filter(|word| !word.contains(char::is_control));
    let candidates = words.map(|word| Candidate::new(word, "")).collect();
    // After a repository comes a colon, after a tag perhaps a comma.
    question.answer(candidates, Directive::NO_FILES.and(Directive::NO_SPACE))
}

/// The side of the command that the word is for.
fn side(matches: &Matches) -> Side {
    match (matches.declares("from-username"), matches.arguments().is_empty()) {
        (false, _) => Side::ONLY,
        (true, true) => Side::FROM,
        (true, false) => Side::TO,
    }
}

fn is_layout(matches: &Matches) -> bool {
    let flag = side(matches).flag("oci-layout");
    matches.declares(&flag) && matches.bool(&flag)
}

/// References that begin with a word.
async fn references(session: &Session, matches: &Matches, word: &str) -> Outcome<Vec<String>> {
    let waits_for_secret = ["password-stdin", "identity-token-stdin"]
        .iter()
        .any(|flag| matches.declares(flag) && matches.bool(flag));
    let Some((registry, path)) = word.split_once('/').filter(|_| !waits_for_secret) else {
        return Ok(Vec::new());
    };
    let remote = RemoteOptions::read(session, matches, side(matches))?;
    let client = remote.client(session, registry, None)?;
    let mut found = Vec::new();
    if let Some((repository, _)) = path.split_once(':') {
        let name = format!("{registry}/{repository}");
        let reference =
            Reference::parse(&name).map_err(|source| tidewaiter_oci::Error::reference(&name, source))?;
        let mut pages = client.repository(&reference)?.tag_pages(None);
        while let Some(page) = pages.next().await?
            && found.len() < MOST
        {
            found.extend(page.into_iter().map(|tag| format!("{name}:{tag}")));
        }
    } else {
        let mut pages = client.registry(registry)?.catalog(None);
        while let Some(page) = pages.next().await?
            && found.len() < MOST
        {
            found.extend(page.into_iter().map(|name| format!("{registry}/{name}")));
        }
    }
    Ok(found)
}
