//! Status while content moves: one line per event, or bars on a terminal.

use std::collections::HashSet;
use std::io;
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, ready};

use tidewaiter_oci::content::BlobReader;
use tidewaiter_oci::copy::{Event, Reporter};
use tidewaiter_oci::{Descriptor, Digest};
use tokio::io::{AsyncRead, ReadBuf};

use crate::artifact::display::line::one_line;
use crate::artifact::display::progress::Progress;
use crate::ui::Ui;

/// Annotation under which a file's name stands.
pub(crate) const TITLE: &str = "org.opencontainers.image.title";

/// The words for what happens to content, padded to one width per command.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Words {
    pub(crate) started: &'static str,
    pub(crate) done: &'static str,
    /// On a terminal.
    pub(crate) done_bar: &'static str,
    pub(crate) exists: &'static str,
    pub(crate) skipped: &'static str,
    pub(crate) mounted: &'static str,
}

/// Of `push`, `attach`, `manifest push` and `blob push`.
pub(crate) const UPLOAD: Words = Words {
    started: "Uploading",
    done: "Uploaded ",
    done_bar: "Uploaded ",
    exists: "Exists   ",
    skipped: "Skipped  ",
    mounted: "Mounted  ",
};

/// Of `pull` and `blob fetch`.
pub(crate) const DOWNLOAD: Words = Words {
    started: "Downloading",
    done: "Downloaded ",
    done_bar: "Pulled     ",
    exists: "Restored   ",
    skipped: "Skipped    ",
    mounted: "Mounted    ",
};

/// Of `cp`.
pub(crate) const COPY: Words = Words {
    started: "Copying",
    done: "Copied ",
    done_bar: "Copied ",
    exists: "Exists ",
    skipped: "Skipped",
    mounted: "Mounted",
};

/// Of `backup`.
pub(crate) const BACKUP: Words = Words {
    started: "Pulling  ",
    done: "Pulled   ",
    done_bar: "Pulled   ",
    exists: "Exists   ",
    skipped: "Skipped  ",
    mounted: "Mounted  ",
};

/// Of `restore`.
pub(crate) const RESTORE: Words = Words {
    started: "Pushing  ",
    done: "Pushed   ",
    done_bar: "Pushed   ",
    exists: "Exists   ",
    skipped: "Skipped  ",
    mounted: "Mounted  ",
};

/// How status is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Style {
    /// Not at all: the result is data, and standard error is no terminal.
    Silent,
    /// A line per event; of content without a name only when asked.
    Lines {
        /// Content without a name is shown by its media type.
        unnamed: bool,
    },
    /// Bars on the terminal.
    Bars,
}

/// Shows what happens to content.
pub(crate) struct Status {
    ui: Ui,
    words: Words,
    style: Style,
    progress: Option<Progress>,
    /// Content that is not told of.
    hidden: Mutex<HashSet<Digest>>,
}

impl Status {
    pub(crate) fn new(ui: Ui, words: Words, style: Style) -> Arc<Self> {
        let progress = (style == Style::Bars).then(Progress::new);
        Arc::new(Self { ui, words, style, progress, hidden: Mutex::default() })
    }

    /// A line of its own, such as `Preparing readme.md`.
    pub(crate) fn say(&self, text: impl std::fmt::Display) {
        match self.style {
            Style::Lines { .. } => self.ui.status(text),
            Style::Bars | Style::Silent => {}
        }
    }

    /// Tells of a step of a content's way.
    pub(crate) fn tell(&self, descriptor: &Descriptor, word: &str) {
        let Some(name) = self.name(descriptor) else { return };
        self.ui.status(format_args!("{word} {} {}", descriptor.digest.short(), one_line(name)));
    }

    /// A manifest has been read, and is looked into now: its bar has nothing to wait for.
    pub(crate) fn looked_into(&self, manifest: &Descriptor) {
        match &self.progress {
            Some(progress) => progress.end(manifest, self.words.done_bar),
            None => self.tell(manifest, "Processing "),
        }
    }

    /// How lines call content: by its title, or else its media type. Nothing when it is not to be shown.
    fn name<'d>(&self, descriptor: &'d Descriptor) -> Option<&'d str> {
        let title = descriptor.annotation(TITLE);
        match self.style {
            Style::Lines { unnamed: true } => Some(title.unwrap_or(&descriptor.media_type)),
            Style::Lines { unnamed: false } => title,
            Style::Bars | Style::Silent => None,
        }
    }

    /// A reader that tells of what is read through it, where that is shown.
    pub(crate) fn watched(self: &Arc<Self>, descriptor: &Descriptor, reader: BlobReader) -> BlobReader {
        if self.progress.is_none() {
            return reader;
        }
        Box::pin(Watched { reader, descriptor: descriptor.clone(), count: 0, status: Arc::clone(self) })
    }

    /// Counts bytes of content that arrive in pieces, and tells how many there are.
    pub(crate) fn counter(self: &Arc<Self>, descriptor: &Descriptor) -> Arc<dyn Fn(u64) + Send + Sync> {
        let (status, descriptor, count) = (Arc::clone(self), descriptor.clone(), AtomicU64::new(0));
        Arc::new(move |bytes| {
            let count = count.fetch_add(bytes, Ordering::Relaxed) + bytes;
            status.report(&descriptor, Event::Progress(count));
        })
    }

    /// Does not tell of this content: it is not what the command is about.
    pub(crate) fn hide(&self, digest: &Digest) {
        self.hidden().insert(digest.clone());
    }

    fn hidden(&self) -> std::sync::MutexGuard<'_, HashSet<Digest>> {
        self.hidden.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Nothing moves any more: what is drawn stays.
    pub(crate) fn finish(&self) {
        if let Some(progress) = &self.progress {
            progress.finish();
        }
    }
}

impl Reporter for Status {
    fn report(&self, descriptor: &Descriptor, event: Event<'_>) {
        if self.hidden().contains(&descriptor.digest) {
            return;
        }
        let word = match event {
            Event::Started => self.words.started,
            Event::Copied if self.progress.is_some() => self.words.done_bar,
            Event::Copied => self.words.done,
            Event::Exists => self.words.exists,
            Event::Mounted(_) => self.words.mounted,
            Event::Skipped => self.words.skipped,
            // What is drawn for those bytes stays as it is.
            Event::Twin if self.progress.is_some() => return,
            Event::Twin => self.words.skipped,
            Event::Progress(count) => {
                if let Some(progress) = &self.progress {
                    progress.moved(descriptor, count);
                }
                return;
            }
            // Commands tell of tags when all is done.
            Event::Tagged(_) => return,
        };
        match (&self.progress, event) {
            (Some(progress), Event::Started) => progress.start(descriptor, word),
            (Some(progress), _) => progress.end(descriptor, word),
            (None, _) => self.tell(descriptor, word),
        }
    }
}

/// Tells of what is read.
struct Watched {
    reader: BlobReader,
    descriptor: Descriptor,
    count: u64,
    status: Arc<Status>,
}

impl AsyncRead for Watched {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        ready!(self.reader.as_mut().poll_read(context, buffer))?;
        self.count += (buffer.filled().len() - before) as u64;
        self.status.report(&self.descriptor, Event::Progress(self.count));
        Poll::Ready(Ok(()))
    }
}
