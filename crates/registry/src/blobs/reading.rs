//! Reads files in large pieces, one piece ahead of the reader.

use std::fs::File;
use std::io::{self, Read as _, Seek as _, SeekFrom};
use std::ops::Range;
use std::path::PathBuf;

use bytes::{Bytes, BytesMut};
use futures_util::{StreamExt as _, TryStreamExt as _};
use tokio::task::JoinHandle;

use super::ByteStream;
use crate::error::{Error, Result};

/// Bytes read at a time. Large enough that the hop to another thread does not count, small enough that a hundred
/// slow readers fit into memory.
const PIECE: u64 = 256 * 1024;

/// What was asked for: all of it, or a stream.
pub(crate) enum Content {
    /// Small content.
    Bytes(Bytes),
    /// Large content. It ends early only with an error.
    Stream(ByteStream),
}

impl Content {
    /// All of it in memory.
    pub(crate) async fn collect(self) -> io::Result<Bytes> {
        match self {
            Self::Bytes(bytes) => Ok(bytes),
            Self::Stream(stream) => {
                let all: BytesMut = stream
                    .try_fold(BytesMut::new(), |mut all, piece| async move {
                        all.extend_from_slice(&piece);
                        Ok(all)
                    })
                    .await?;
                Ok(all.freeze())
            }
        }
    }

    /// As a stream.
    pub(crate) fn into_stream(self) -> ByteStream {
        match self {
            Self::Bytes(bytes) => futures_util::stream::iter([Ok(bytes)]).boxed(),
            Self::Stream(stream) => stream,
        }
    }
}

type Piece = (File, io::Result<Bytes>);

/// Opens a file and reads a range of it.
pub(super) async fn read_file(path: PathBuf, range: Range<u64>) -> Result<Content> {
    let first = PIECE.min(range.end - range.start);
    let shown = path.clone();
    let start = range.start;
    let opened = tokio::task::spawn_blocking(move || -> io::Result<(File, Bytes)> {
        let mut file = File::open(path)?;
        if start > 0 {
            file.seek(SeekFrom::Start(start))?;
        }
        let (file, bytes) = read_piece(file, first);
        Ok((file, bytes?))
    });
    let (file, bytes) = opened
        .await
        .map_err(|source| Error::Task { source })?
        .map_err(|source| Error::BlobFile { operation: "read", path: shown, source })?;
    let remaining = range.end - range.start - first;
    if remaining == 0 {
        return Ok(Content::Bytes(bytes));
    }
    let rest = futures_util::stream::unfold(Some(Ahead::start(file, remaining)), |ahead| async {
        let mut ahead = ahead?;
        match ahead.next().await {
            Ok(bytes) => Some((Ok(bytes), (!ahead.is_done()).then_some(ahead))),
            Err(error) => Some((Err(error), None)),
        }
    });
    Ok(Content::Stream(futures_util::stream::iter([Ok(bytes)]).chain(rest).boxed()))
}

/// A file that is being read one piece ahead.
struct Ahead {
    reading: Option<JoinHandle<Piece>>,
    /// Bytes after the piece that is being read.
    remaining: u64,
}

impl Ahead {
    fn start(file: File, remaining: u64) -> Self {
        let mut ahead = Self { reading: None, remaining };
        ahead.read_on(file);
        ahead
    }

    fn read_on(&mut self, file: File) {
        let size = PIECE.min(self.remaining);
        self.remaining -= size;
        self.reading = (size > 0).then(|| tokio::task::spawn_blocking(move || read_piece(file, size)));
    }

    fn is_done(&self) -> bool {
        self.reading.is_none()
    }

    async fn next(&mut self) -> io::Result<Bytes> {
        let Some(reading) = self.reading.take() else { return Ok(Bytes::new()) };
        let (file, bytes) = reading.await.map_err(io::Error::other)?;
        let bytes = bytes?;
        self.read_on(file);
        Ok(bytes)
    }
}

fn read_piece(mut file: File, size: u64) -> Piece {
    let mut piece = Vec::with_capacity(usize::try_from(size).unwrap_or(0));
    let result = match file.by_ref().take(size).read_to_end(&mut piece) {
        Ok(read) if read as u64 == size => Ok(Bytes::from(piece)),
        Ok(_) => Err(io::Error::new(io::ErrorKind::UnexpectedEof, "the file is shorter than it was")),
        Err(error) => Err(error),
    };
    (file, result)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn ranges_of_files_come_whole() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("file");
        let content: Vec<u8> = (0..3 * PIECE + 7).map(|position| (position % 251) as u8).collect();
        std::fs::write(&path, &content).expect("writes");
        let end = content.len() as u64;
        for range in [0..end, 0..0, 0..PIECE, 1..PIECE + 2, PIECE - 1..end - 1, end - 1..end, end..end] {
            let read = read_file(path.clone(), range.clone()).await.expect("opens");
            let bytes = read.collect().await.expect("reads");
            let expected = &content[range.start as usize..range.end as usize];
            assert!(bytes == expected, "{range:?}");
        }
        let beyond = read_file(path.clone(), 0..end + 1).await.expect("opens").collect().await;
        assert_eq!(beyond.expect_err("too short").kind(), io::ErrorKind::UnexpectedEof);
        let missing = read_file(directory.path().join("none"), 0..1).await;
        assert!(missing.is_err());
    }
}
