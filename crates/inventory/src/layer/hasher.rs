//! The SHA-256 of the uncompressed layer, computed beside decoding.
//!
//! Decoding and hashing take about as long as each other, and a machine with two cores often has one to spare
//! while the largest layer of an image is read. So beyond the first megabyte a thread of its own does the
//! hashing. The pieces are shared, not copied; at most [`QUEUE`] of them wait, which bounds memory and keeps
//! the two in step.
//!
//! Hashing is `ring`'s: as fast as any with SHA instructions in the processor, and twice as fast as portable
//! code on the many server processors without.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::{self, JoinHandle};

use ring::digest::{Context, SHA256};

/// Bytes hashed in place before a thread is worth its start: most layers are smaller than that.
const INLINE: usize = 1 << 20;

/// Pieces that may wait for the thread.
const QUEUE: usize = 2;

/// Bytes shared between the one who walks over them and the one who hashes them.
pub(crate) type Piece = Arc<Vec<u8>>;

pub(crate) struct Hasher {
    place: Place,
    inline: usize,
}

enum Place {
    Here(Context),
    Beside { pieces: SyncSender<Piece>, thread: JoinHandle<Context> },
}

impl Hasher {
    pub(crate) fn new() -> Self {
        Self { place: Place::Here(Context::new(&SHA256)), inline: 0 }
    }

    /// Takes the next piece; may wait for the thread to catch up.
    pub(crate) fn update(&mut self, piece: &Piece) {
        if self.inline > INLINE {
            self.move_beside();
        }
        match &mut self.place {
            Place::Here(context) => {
                context.update(piece);
                self.inline += piece.len();
            }
            Place::Beside { pieces, .. } => {
                pieces
                    .send(Arc::clone(piece))
                    .expect("the thread takes pieces until it is told that was all");
            }
        }
    }

    /// Goes on in a thread, where one can be had.
    fn move_beside(&mut self) {
        let Place::Here(context) = &self.place else { return };
        let context = context.clone();
        let (pieces, received) = sync_channel(QUEUE);
        let hash = move || received_all(context, &received);
        if let Ok(thread) = thread::Builder::new().name("layer-hash".to_owned()).spawn(hash) {
            self.place = Place::Beside { pieces, thread };
        } else {
            // No more threads to be had now; asked again when as much went by as before.
            self.inline = 0;
        }
    }

    /// The digest, `sha256:hex`.
    pub(crate) fn finish(self) -> String {
        let context = match self.place {
            Place::Here(context) => context,
            Place::Beside { pieces, thread } => {
                drop(pieces);
                thread.join().expect("hashing does not panic")
            }
        };
        let mut text = String::from("sha256:");
        for byte in context.finish().as_ref() {
            for digit in [byte >> 4, byte & 15] {
                text.extend(char::from_digit(digit.into(), 16));
            }
        }
        text
    }
}

fn received_all(mut context: Context, pieces: &Receiver<Piece>) -> Context {
    for piece in pieces {
        context.update(&piece);
    }
    context
}
