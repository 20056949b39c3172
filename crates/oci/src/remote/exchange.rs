//! One try of a request: challenges answered, redirects followed hop by hop, each hop shown to the observer.
//!
//! Here it is decided what goes where: credentials, custom headers and the client certificate go to the registry's
//! own origin and nowhere else.

use std::sync::atomic::Ordering;
use std::time::Duration;

use bytes::Bytes;
use http::header::{ACCEPT, AUTHORIZATION, CONTENT_LENGTH, COOKIE, LOCATION, USER_AGENT};
use http::{HeaderMap, HeaderValue, Method, StatusCode};
use url::Url;

use crate::error::{Error, Result};
use crate::remote::auth::{Authorization, challenge};
use crate::remote::call::{Answer, Call, Payload};
use crate::remote::client::Client;
use crate::remote::endpoint::Endpoint;
use crate::remote::observer::{RequestEvent, ResponseEvent, shown_headers, shown_url};
use crate::remote::stall::no_answer_within;
use crate::remote::transport::{NoAnswer, NoAnswerKind, Outgoing};
use crate::remote::{trust, warning};

/// Most redirects followed for one request.
const MAX_REDIRECTS: usize = 10;

/// Bytes that even a slow line sends in a second, for how long a body in memory may take.
const SLOW: u64 = 16 * 1024;

/// A try that failed without an answer.
pub(super) struct Failure {
    pub(super) error: Error,
    pub(super) kind: NoAnswerKind,
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self { error, kind: NoAnswerKind::Permanent }
    }
}

/// Where one hop of a request goes, and how.
struct Hop {
    method: Method,
    url: Url,
    headers: HeaderMap,
    to_registry: bool,
}

impl Client {
    /// One try, up to the end of the answer where it is wanted whole.
    pub(super) async fn attempt(
        &self,
        endpoint: &Endpoint,
        call: &mut Call,
        authorize: bool,
    ) -> Result<Answer, Failure> {
        let mut answer = match authorize {
            true => self.authorized(endpoint, call).await?,
            false => self.follow(endpoint, call, None).await?,
        };
        if let Some(limit) = call.whole.filter(|_| answer.status().is_success()) {
            answer.load(limit).await.map_err(|error| {
                let broken = matches!(error, Error::Request { .. });
                let kind = if broken { NoAnswerKind::Broken } else { NoAnswerKind::Permanent };
                Failure { error, kind }
            })?;
        }
        Ok(answer)
    }

    /// With credentials as the registry wants them.
    async fn authorized(&self, endpoint: &Endpoint, call: &mut Call) -> Result<Answer, Failure> {
        let first = self.auth().known(self, endpoint, &call.scopes).await?;
        let answer = not_challenged_elsewhere(self.follow(endpoint, call, first.as_ref()).await?)?;
        if answer.status() != StatusCode::UNAUTHORIZED {
            return Ok(answer);
        }
        let Some(challenge) = challenge::of(answer.headers()) else { return Ok(answer) };
        let second = self.auth().answer(self, endpoint, &challenge, &call.scopes, first.as_ref()).await?;
        // A stream cannot be sent again; who sends it again finds the new token waiting.
        let Some(second) = second.filter(|_| call.is_replayable()) else { return Ok(answer) };
        answer.discard().await;
        not_challenged_elsewhere(self.follow(endpoint, call, Some(&second)).await?)
    }

    /// Through its redirects.
    async fn follow(
        &self,
        endpoint: &Endpoint,
        call: &mut Call,
        authorization: Option<&Authorization>,
    ) -> Result<Answer, Failure> {
        let mut url = call.url.clone();
        let mut method = call.method.clone();
        let mut bodiless = false;
        for _ in 0..=MAX_REDIRECTS {
            let to_registry = endpoint.owns(&url);
            let headers = self.headers_for(call, &url, to_registry, authorization);
            let hop = Hop { method: method.clone(), url: url.clone(), headers, to_registry };
            let body = if bodiless { Some(Bytes::new().into()) } else { call.take_body() };
            let answer = self.exchange(call, hop, body).await?;
            let Some(location) = redirection(&answer) else {
                if to_registry {
                    self.warn(endpoint, answer.headers());
                }
                return Ok(answer);
            };
            let refused = answer.protocol_error();
            let next = trust::redirect(&url, &location, self.settings().insecure).map_err(&refused)?;
            if call.stay && next.origin() != url.origin() {
                let reason = "it redirects to another host, which would get our secrets";
                return Err(refused(reason.to_owned()).into());
            }
            if !call.is_replayable() {
                return Err(refused("it redirects a stream that was sent already".to_owned()).into());
            }
            match answer.status() {
                StatusCode::SEE_OTHER => {
                    method = if method == Method::HEAD { Method::HEAD } else { Method::GET };
                    bodiless = true;
                }
                StatusCode::MOVED_PERMANENTLY | StatusCode::FOUND
                    if method != Method::GET && method != Method::HEAD =>
                {
                    return Err(refused(format!("it redirects a {method} elsewhere")).into());
                }
                _ => {}
            }
            url = next;
            answer.discard().await;
        }
        let error = Error::Protocol {
            method: call.method.to_string(),
            url: shown_url(&call.url),
            reason: format!("it redirects more than {MAX_REDIRECTS} times"),
        };
        Err(error.into())
    }

    fn headers_for(
        &self,
        call: &Call,
        url: &Url,
        to_registry: bool,
        authorization: Option<&Authorization>,
    ) -> HeaderMap {
        let mut headers = call.headers.clone();
        if url.origin() != call.url.origin() {
            headers.remove(AUTHORIZATION);
            headers.remove(COOKIE);
        }
        if to_registry {
            for (name, value) in &self.settings().headers {
                headers.append(name.clone(), value.clone());
            }
            if let Some(authorization) = authorization {
                headers.insert(AUTHORIZATION, authorization.header.clone());
            }
        }
        if let Payload::Stream { length, .. } = &call.body {
            headers.insert(CONTENT_LENGTH, (*length).into());
        }
        // The transport would add both unseen.
        headers.entry(ACCEPT).or_insert(HeaderValue::from_static("*/*"));
        if let Ok(user_agent) = HeaderValue::from_str(&self.settings().user_agent) {
            headers.entry(USER_AGENT).or_insert(user_agent);
        }
        headers
    }

    /// Sends one request and waits for the head of its answer.
    async fn exchange(&self, call: &Call, hop: Hop, body: Option<reqwest::Body>) -> Result<Answer, Failure> {
        let Hop { method, url, mut headers, to_registry } = hop;
        let observer = self.settings().observer.as_ref();
        let watched = observer.wants_wire();
        let number = self.requests().fetch_add(1, Ordering::Relaxed);
        if watched {
            let headers = shown_headers(&headers, self.secret_headers());
            observer.request(&RequestEvent { number, method: method.clone(), url: shown_url(&url), headers });
        }
        headers.values_mut().for_each(trim);
        let (shown_method, shown, host) = (method.to_string(), shown_url(&url), host_of(&url));
        let request_error = |reason| Error::Request { method: shown_method, url: shown, reason };
        let Some(body) = body else {
            return Err(request_error("the stream was sent already".to_owned()).into());
        };
        let outgoing = Outgoing { method: method.clone(), url, headers, body, to_registry, bulk: call.bulk };
        let response = match self.in_time(&call.body, outgoing).await? {
            Ok(response) => response,
            Err(NoAnswer { reason, kind }) => {
                if watched {
                    observer.failed(number, &reason);
                }
                let error = match (kind, request_error(reason)) {
                    (NoAnswerKind::Untrusted, Error::Request { method, url, reason }) => {
                        Error::Untrusted { method, url, reason }
                    }
                    (_, error) => error,
                };
                return Err(Failure { error, kind });
            }
        };
        let mut answer = Answer::new(method, call.url.clone(), response, self.settings().stall_timeout);
        if !to_registry {
            answer = answer.given_by(host.clone());
        }
        self.learn_answered(host);
        if watched {
            let body = answer.excerpt().await;
            let headers = shown_headers(answer.headers(), self.secret_headers());
            observer.response(&ResponseEvent { number, status: answer.status(), headers, body });
        }
        Ok(answer)
    }

    /// Sends, and gives up when nothing moves or nobody answers.
    async fn in_time(
        &self,
        body: &Payload,
        outgoing: Outgoing,
    ) -> Result<Result<reqwest::Response, NoAnswer>> {
        let (stall, answer) = (self.settings().stall_timeout, self.settings().answer_timeout);
        let overdue = async {
            let sending = match body {
                Payload::Stream { activity, .. } => return activity.stalled(stall, answer).await,
                Payload::Bytes(bytes) => Duration::from_secs(bytes.len() as u64 / SLOW),
                Payload::Empty => Duration::ZERO,
            };
            tokio::time::sleep(answer + sending).await;
            no_answer_within(answer + sending)
        };
        tokio::select! {
            sent = self.transport().send(outgoing) => sent,
            reason = overdue => Ok(Err(NoAnswer { reason, kind: NoAnswerKind::Broken })),
        }
    }

    /// Passes on a registry's warnings that were not passed on before.
    fn warn(&self, endpoint: &Endpoint, headers: &HeaderMap) {
        for text in warning::texts(headers) {
            if self.learn_warning(endpoint.host(), &text) {
                self.settings().observer.warning(endpoint.host(), &text);
            }
        }
    }
}

/// A host that the registry redirects to may not ask for credentials: ours are for the registry.
fn not_challenged_elsewhere(answer: Answer) -> Result<Answer, Failure> {
    match answer.elsewhere() {
        Some(host) if answer.status() == StatusCode::UNAUTHORIZED => {
            let reason = format!(
                "it redirects to {host}, which asks for credentials; they are for the registry alone"
            );
            Err(answer.protocol_error()(reason).into())
        }
        _ => Ok(answer),
    }
}

/// Takes away the white space around a value: people type it, servers of HTTP/2 refuse it (RFC 9113, section 8.2.1).
fn trim(value: &mut HeaderValue) {
    let trimmed = value.as_bytes().trim_ascii();
    if trimmed.len() < value.len()
        && let Ok(mut plain) = HeaderValue::from_bytes(trimmed)
    {
        plain.set_sensitive(value.is_sensitive());
        *value = plain;
    }
}

/// Where an answer redirects to.
fn redirection(answer: &Answer) -> Option<String> {
    match answer.status().as_u16() {
        301 | 302 | 303 | 307 | 308 => answer.header(LOCATION.as_str()).map(str::to_owned),
        _ => None,
    }
}

/// Host and port.
pub(super) fn host_of(url: &Url) -> String {
    let host = url.host_str().unwrap_or_default();
    url.port().map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_sent_without_white_space_around_them() {
        for (typed, sent) in [(" b", "b"), ("a b\t", "a b"), ("b", "b"), (" ", "")] {
            let mut value = HeaderValue::from_str(typed).expect("a value");
            value.set_sensitive(true);
            trim(&mut value);
            assert_eq!(value.to_str().expect("text"), sent);
            assert!(value.is_sensitive());
        }
    }
}
