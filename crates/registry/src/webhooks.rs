//! Posts events to URLs, as ACR's webhooks and Event Grid do.
//!
//! Each webhook reads the outbox by a cursor of its own in the database and posts in order. A post that fails is
//! tried again after a wait that doubles, for a day; then the event is skipped, so that one event cannot hold up the
//! rest for ever. Of several processes on one database, the one that holds the cursor's lease posts.

mod payload;

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use reqwest::StatusCode;
use reqwest::header::{HeaderMap, HeaderName, HeaderValue};
use tidewaiter_db::args;

use crate::error::{Error, Result};
use crate::events::{self, Action, Event};
use crate::registry::Shared;
use crate::sql;

/// Events read at a time.
const BATCH: u32 = 100;
/// How long a process keeps a cursor without a sign of life, in microseconds: so long others wait after it was killed.
const LEASE: i64 = 15 * 1_000_000;
/// How often it gives one while it waits for a receiver.
const SIGN_OF_LIFE: Duration = Duration::from_secs(5);
/// How long a receiver may take.
const PATIENCE: Duration = Duration::from_secs(30);
/// How often other processes' events are looked for, where they are not heard of.
const LOOK: Duration = Duration::from_secs(5);
/// The longest wait after a failure.
const LONGEST_BACKOFF: Duration = Duration::from_secs(600);
/// Events that cannot be posted for this long are skipped, in microseconds.
const GIVE_UP: i64 = 24 * 3600 * 1_000_000;

/// What is posted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WebhookFormat {
    /// One object for each event, as ACR's webhooks send.
    Acr,
    /// A list of one event, as Event Grid sends, after its validation handshake.
    EventGrid,
}

/// A receiver of events.
#[derive(Debug, Clone)]
pub struct Webhook {
    /// Unique; its cursor is kept under this name, and begins with the first start at the then newest event.
    pub name: String,
    /// Where to post.
    pub url: String,
    /// What to post.
    pub format: WebhookFormat,
    /// `repository:tag`, either with a `*` at its end, or only a repository; empty is everything.
    pub scope: String,
    /// Headers to send along, for example `Authorization`.
    pub headers: Vec<(String, String)>,
    /// The wait after a first failure; it doubles with each further one. Ten seconds are usual.
    pub retry_after: Duration,
}

impl Webhook {
    /// The event is in the scope. Bare removals of tags are never posted.
    fn wants(&self, event: &Event) -> bool {
        let matches = |pattern: &str, text: &str| match pattern.strip_suffix('*') {
            Some(beginning) => text.starts_with(beginning),
            None => pattern == text,
        };
        let (repository, tag) = match self.scope.split_once(':') {
            Some((repository, tag)) => (repository, tag),
            None if self.scope.is_empty() => ("*", "*"),
            None => (self.scope.as_str(), "*"),
        };
        event.action != Action::Untag
            && matches(repository, &event.repository)
            && (tag == "*" || event.tag.as_deref().is_some_and(|text| matches(tag, text)))
    }

    /// Checks the settings; the headers to send.
    pub(crate) fn check(&self) -> Result<HeaderMap> {
        let wrong = |reason: String| Error::Webhook { name: self.name.clone(), reason };
        let url = url::Url::parse(&self.url).map_err(|error| wrong(error.to_string()))?;
        if !["http", "https"].contains(&url.scheme()) {
            return Err(wrong("the URL must begin with http:// or https://".to_owned()));
        }
        let mut headers = HeaderMap::new();
        for (name, value) in &self.headers {
            let parsed: HeaderName =
                name.parse().map_err(|_| wrong(format!("\"{name}\" is not a header name")))?;
            let value: HeaderValue =
                value.parse().map_err(|_| wrong(format!("the value of header {name} cannot be sent")))?;
            headers.append(parsed, value);
        }
        Ok(headers)
    }
}

/// A webhook that is being run.
pub(crate) struct Runner {
    shared: Arc<Shared>,
    webhook: Webhook,
    headers: HeaderMap,
    http: reqwest::Client,
    /// The receiver has shown that it wants Event Grid's events.
    validated: bool,
    /// Posts of the same event that failed.
    failures: u32,
}

/// What became of a look at the outbox.
enum Progress {
    /// Everything is posted, or another process posts.
    Done,
    /// A post failed: wait before the next.
    Failed,
}

impl Runner {
    /// One for settings that can work.
    pub(crate) fn new(shared: Arc<Shared>, webhook: Webhook) -> Result<Self> {
        let wrong = |reason: String| Error::Webhook { name: webhook.name.clone(), reason };
        let headers = webhook.check()?;
        let http = reqwest::Client::builder()
            .timeout(PATIENCE)
            // The headers may hold a secret, and are for the address that was given.
            .redirect(reqwest::redirect::Policy::none())
            .build()
            .map_err(|error| wrong(error.to_string()))?;
        Ok(Self { shared, webhook, headers, http, validated: false, failures: 0 })
    }

    /// The name of its cursor.
    fn reader(&self) -> String {
        format!("webhook:{}", self.webhook.name)
    }

    /// Posts events until it is dropped.
    pub(crate) async fn run(mut self) {
        let mut wake = events::subscribe(self.shared.metadata.db());
        loop {
            match self.post_new().await {
                Ok(Progress::Done) => wake.wait(LOOK).await,
                Ok(Progress::Failed) => tokio::time::sleep(self.backoff()).await,
                Err(error) => {
                    tracing::warn!(webhook = self.webhook.name, %error, "cannot read events for a webhook");
                    tokio::time::sleep(LOOK).await;
                }
            }
        }
    }

    fn backoff(&self) -> Duration {
        let doublings = self.failures.saturating_sub(1).min(10);
        self.webhook.retry_after.saturating_mul(2_u32.pow(doublings)).min(LONGEST_BACKOFF)
    }

    /// Makes the cursor with the first start.
    pub(crate) async fn register(&self) -> Result<()> {
        self.shared.metadata.db().execute(sql::BEGIN_READER, args![self.reader()]).await?;
        Ok(())
    }

    async fn post_new(&mut self) -> Result<Progress> {
        while let Some(cursor) = lease(&self.shared, &self.reader()).await? {
            let batch = events::after(self.shared.metadata.db(), cursor, BATCH).await?;
            if batch.is_empty() {
                break;
            }
            for event in batch {
                if self.webhook.wants(&event) && !self.post_alive(&event).await {
                    return Ok(Progress::Failed);
                }
                let until = self.shared.now().saturating_add(LEASE);
                let arguments = args![self.reader(), &self.shared.instance, event.sequence, until];
                if self.shared.metadata.db().execute(sql::ADVANCE_READER, arguments).await? == 0 {
                    // Another process took over while we waited for the receiver.
                    return Ok(Progress::Done);
                }
            }
        }
        Ok(Progress::Done)
    }

    /// Posts an event, and keeps the cursor meanwhile; `false` when it has to be tried again.
    async fn post_alive(&mut self, event: &Event) -> bool {
        let alive = keep_lease(Arc::clone(&self.shared), self.reader());
        tokio::select! {
            posted = self.post(event) => posted,
            never = alive => match never {},
        }
    }

    async fn post(&mut self, event: &Event) -> bool {
        match self.try_post(event).await {
            Ok(()) => {
                if self.failures > 0 {
                    tracing::info!(webhook = self.webhook.name, "a webhook works again");
                }
                self.failures = 0;
                true
            }
            Err(reason) => {
                self.failures = self.failures.saturating_add(1);
                let (webhook, sequence) = (&self.webhook.name, event.sequence);
                if self.shared.now().saturating_sub(event.time) > GIVE_UP {
                    tracing::error!(
                        webhook,
                        sequence,
                        reason,
                        "an event was given up after a day of failures"
                    );
                    self.failures = 0;
                    return true;
                }
                if self.failures == 1 {
                    tracing::warn!(webhook, sequence, reason, "a webhook failed; it is tried until it works");
                } else {
                    tracing::debug!(webhook, sequence, reason, "a webhook failed again");
                }
                false
            }
        }
    }

    async fn try_post(&mut self, event: &Event) -> Result<(), String> {
        let body = match self.webhook.format {
            WebhookFormat::Acr => payload::acr(event),
            WebhookFormat::EventGrid => {
                self.validate().await?;
                payload::event_grid(event)
            }
        };
        let kind = payload::Kind::Notification { attempt: self.failures };
        self.send(kind, &body).await?;
        Ok(())
    }

    /// Event Grid's handshake: the receiver repeats a code, which shows that it wants the events.
    async fn validate(&mut self) -> Result<(), String> {
        if self.validated {
            return Ok(());
        }
        let code = format!("{:032x}", rand::random::<u128>());
        let body = payload::validation(&code, self.shared.now());
        let answer = self.send(payload::Kind::Validation, &body).await?;
        // Who takes note of it only (202) has not shown that it wants events.
        if answer.status() != StatusCode::OK {
            let status = answer.status();
            return Err(format!(
                "the receiver answered the validation event with {status}, and must with 200"
            ));
        }
        let value: serde_json::Value = answer.json().await.map_err(|error| error.to_string())?;
        if value["validationResponse"].as_str() != Some(code.as_str()) {
            return Err("the receiver did not answer the validation event with its code".to_owned());
        }
        self.validated = true;
        Ok(())
    }

    async fn send(&self, kind: payload::Kind, body: &serde_json::Value) -> Result<reqwest::Response, String> {
        let mut request = self.http.post(&self.webhook.url).headers(self.headers.clone());
        if self.webhook.format == WebhookFormat::EventGrid {
            request = request
                .header("aeg-event-type", kind.event_type())
                .header("aeg-delivery-count", kind.attempt())
                .header("aeg-subscription-name", self.webhook.name.to_uppercase())
                .header("aeg-metadata-version", "1");
        }
        // The address may hold a secret, so it is kept out of the log.
        let response = request.json(body).send().await.map_err(|error| chain(&error.without_url()))?;
        let status = response.status();
        if status.is_success() { Ok(response) } else { Err(format!("the receiver answered {status}")) }
    }
}

/// A cursor, when no other process holds it. It is held from then on.
async fn lease(shared: &Shared, reader: &str) -> Result<Option<i64>> {
    let now = shared.now();
    let arguments = args![reader, &shared.instance, now.saturating_add(LEASE), now];
    let mut tx = shared.metadata.db().begin().await?;
    let row = tx.fetch_optional(sql::LEASE_READER, arguments).await?;
    let sequence = row.map(|row| row.i64(0)).transpose()?;
    tx.commit().await?;
    Ok(sequence)
}

/// Gives signs of life. When another process has taken the cursor all the same, moving it on says so.
async fn keep_lease(shared: Arc<Shared>, reader: String) -> Infallible {
    loop {
        tokio::time::sleep(SIGN_OF_LIFE).await;
        if let Err(error) = lease(&shared, &reader).await {
            tracing::debug!(%error, "a sign of life could not be given");
        }
    }
}

/// Lets other processes post at once, because this one ends.
pub(crate) async fn release(shared: &Shared) -> Result<()> {
    shared.metadata.db().execute(sql::RELEASE_READERS, args![&shared.instance]).await?;
    Ok(())
}

/// An error with its causes, which is where HTTP errors say what happened.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text = format!("{text}: {cause}");
        source = cause.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scopes_name_repositories_and_tags() {
        let event = |action, repository: &str, tag: Option<&str>| Event {
            sequence: 1,
            time: 0,
            action,
            repository: repository.to_owned(),
            tag: tag.map(str::to_owned),
            digest: String::new(),
            media_type: String::new(),
            size: 0,
            origin: None,
        };
        let wants = |scope: &str, event: &Event| {
            let webhook = Webhook {
                name: "w".to_owned(),
                url: String::new(),
                format: WebhookFormat::Acr,
                scope: scope.to_owned(),
                headers: Vec::new(),
                retry_after: Duration::from_secs(10),
            };
            webhook.wants(event)
        };
        let push = event(Action::Push, "team/app", Some("v1"));
        for scope in ["", "*", "team/app", "team/*", "team/app:v1", "team/app:v*", "*:v1", "team/app:*"] {
            assert!(wants(scope, &push), "{scope}");
        }
        for scope in ["team", "team/app:v2", "other:*", "team/ap:v1"] {
            assert!(!wants(scope, &push), "{scope}");
        }
        assert!(wants("team/app:*", &event(Action::Delete, "team/app", None)));
        assert!(!wants("team/app:v1", &event(Action::Delete, "team/app", None)));
        assert!(!wants("", &event(Action::Untag, "team/app", Some("v1"))));
    }
}
