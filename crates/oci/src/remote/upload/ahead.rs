//! Pushing a large blob while it is still being hashed.
//!
//! Hashing takes about as long as a fast network does, and a session need not know the digest before its end. So
//! all bytes go into one PATCH, and a task of its own reads them for the digest. Whichever ends first, the
//! registry is asked whether it has the blob once the digest is known: if so, the session is given up.
//! Everything that can go wrong on the way is for [`Upload`] to mend, with the digest.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use http::header::CONTENT_TYPE;
use http::{Method, StatusCode};
use tokio_util::task::AbortOnDropHandle;

use super::{Session, Step, Upload, knows_no_patch, received, step_of};
use crate::blocking::joined;
use crate::content::{Content, Fetch as _, Reopen as _};
use crate::copy::{Event, Reporter};
use crate::descriptor::Descriptor;
use crate::error::{Error, ErrorKind, Result};
use crate::media_type;
use crate::remote::repository::Repository;
use crate::remote::source;
use crate::unnamed::{Progress, Reported, Unnamed};

/// How far sending got before the digest was needed.
struct Head {
    session: Session,
    /// What the session has, in bytes.
    at: u64,
    step: Step,
}

impl Repository {
    /// Pushes a blob whose digest is made meanwhile, and tells how it goes as a copy would.
    pub(in crate::remote) async fn push_while_hashing(
        &self,
        blob: Unnamed,
        reporter: &Arc<dyn Reporter>,
    ) -> Result<Descriptor> {
        let session = self.open_session().await?;
        let url = session.url.clone();
        let progress = Progress::new(Arc::clone(reporter));
        let reported =
            Reported { content: Arc::clone(&blob.content), size: blob.size, progress: Arc::clone(&progress) };
        let sending = {
            let (repository, content) = (self.clone(), reported.clone());
            tokio::spawn(async move { repository.send_ahead(session, &content).await })
        };
        let mut sending = AbortOnDropHandle::new(sending);
        let measuring = tokio::spawn(async move { blob.measure().await });
        let mut measuring = AbortOnDropHandle::new(measuring);

        let mut sent = None;
        let measured = tokio::select! {
            measured = joined(&mut measuring) => measured,
            ended = joined(&mut sending) => {
                sent = Some(ended?);
                joined(&mut measuring).await
            }
        };
        let known = match measured {
            Ok(descriptor) => self.exists(&descriptor).await.map(|there| (descriptor, there)),
            Err(error) => Err(error),
        };
        let descriptor = match known {
            Ok((descriptor, false)) => descriptor,
            ended => {
                drop(sending);
                self.cancel_session(url).await;
                let (descriptor, _) = ended?;
                reporter.report(&descriptor, Event::Exists);
                return Ok(descriptor);
            }
        };
        progress.name(&descriptor);
        let sent = match sent {
            Some(sent) => sent,
            None => joined(sending).await?,
        };
        let content = Content::Reopen(Box::new(reported));
        match sent {
            Some(head) => {
                let upload = Upload::new(self, &descriptor, content, head.session);
                Upload { at: head.at, ..upload }.run(Some(head.step)).await?;
            }
            None => {
                self.cancel_session(url).await;
                self.push_blob(&descriptor, content).await?;
            }
        }
        reporter.report(&descriptor, Event::Copied);
        Ok(descriptor)
    }

    /// Sends everything in one PATCH. Nothing comes back from a registry that will not have it so; an error is
    /// one that no other way would mend.
    async fn send_ahead(&self, session: Session, content: &Reported) -> Result<Option<Head>> {
        let payload = source::whole(content.open(0).await?, content.size);
        let mut call = self
            .upload_call(Method::PATCH, session.url.clone())
            .header(CONTENT_TYPE, media_type::OCTET_STREAM)
            .body(payload);
        call.once = true;
        let head = |session, at, step| Ok(Some(Head { session, at, step }));
        let answer = match self.send(call).await {
            Ok(answer) => answer,
            // Also when the content could not be read, which who reads it for the digest can say better.
            Err(error @ Error::Request { .. }) => return head(session, 0, Step::Unclear(error)),
            Err(error) => return Err(error),
        };
        let status = answer.status();
        if !matches!(status, StatusCode::ACCEPTED | StatusCode::NO_CONTENT | StatusCode::CREATED) {
            let no_patch = knows_no_patch(status);
            let step = if no_patch {
                Ok(Step::NoChunks(answer.into_error().await))
            } else {
                step_of(answer, true).await
            };
            let error = match step {
                // Some registries cap what a PATCH brings, and take a PUT of any size.
                Ok(Step::TooLarge(error) | Step::NoChunks(error)) => error,
                Ok(step) => return head(session, 0, step),
                Err(error) if error.kind() == ErrorKind::Access => return Err(error),
                Err(error) => error,
            };
            tracing::debug!(%error, "the registry does not take a blob in one PATCH");
            self.state.ahead_refused.store(true, Ordering::Relaxed);
            self.state.chunks_refused.fetch_or(no_patch, Ordering::Relaxed);
            return Ok(None);
        }
        let at = received(&answer).unwrap_or(content.size);
        let session = Session { url: self.location(&answer)?, ..session };
        answer.discard().await;
        head(session, at, Step::Moved)
    }
}
