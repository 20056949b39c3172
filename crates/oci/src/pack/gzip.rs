//! gzip on several processors: one member, one stream, and the same bytes however many threads made it.
//!
//! The input is cut into blocks of fixed size, and each is compressed by itself with the 32 KiB before it as
//! dictionary, as pigz does; so little is lost against one thread. All blocks but the last end on a byte
//! border (a "sync flush"), and so they can be put one after the other.

use std::collections::VecDeque;
use std::io::{self, Write};
use std::num::NonZeroUsize;
use std::sync::mpsc::{Receiver, Sender, SyncSender, channel, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;

use flate2::{Compress, Compression, Crc, FlushCompress, Status};

/// Bytes compressed in one go. Part of the format in the sense that another number gives other bytes.
const BLOCK: usize = 1024 * 1024;
/// How far back DEFLATE can point.
const WINDOW: usize = 32 * 1024;
/// Deflate, no name, no time, unknown system: what Go writes.
const HEADER: [u8; 10] = [0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 0xff];

/// A block on its way to being compressed.
struct Job {
    before: Option<Arc<Vec<u8>>>,
    block: Arc<Vec<u8>>,
    flush: FlushCompress,
    reply: SyncSender<io::Result<Vec<u8>>>,
}

/// Compresses what is written to it into `output`. [`ParallelGzip::finish`] must be called at the end.
pub(super) struct ParallelGzip<W> {
    output: W,
    block: Vec<u8>,
    before: Option<Arc<Vec<u8>>>,
    crc: Crc,
    jobs: Option<Sender<Job>>,
    /// Replies to come, in the order of the blocks.
    replies: VecDeque<Receiver<io::Result<Vec<u8>>>>,
    workers: Vec<JoinHandle<()>>,
}

impl<W: Write> ParallelGzip<W> {
    /// Starts the threads.
    pub(super) fn new(mut output: W, level: u32, threads: NonZeroUsize) -> io::Result<Self> {
        output.write_all(&HEADER)?;
        let (jobs, queue) = channel();
        let queue = Arc::new(Mutex::new(queue));
        let spawn = |_| {
            let queue = Arc::clone(&queue);
            std::thread::Builder::new().name("gzip".to_owned()).spawn(move || work(&queue, level))
        };
        let workers = (0..threads.get()).map(spawn).collect::<io::Result<_>>()?;
        Ok(Self {
            output,
            block: Vec::with_capacity(BLOCK),
            before: None,
            crc: Crc::new(),
            jobs: Some(jobs),
            replies: VecDeque::new(),
            workers,
        })
    }

    fn submit(&mut self, flush: FlushCompress) -> io::Result<()> {
        // Enough for everybody to have work; more would only take memory.
        while self.replies.len() > self.workers.len() + 1 {
            self.receive()?;
        }
        let block = Arc::new(std::mem::replace(&mut self.block, Vec::with_capacity(BLOCK)));
        let before = self.before.replace(Arc::clone(&block));
        let (reply, replies) = sync_channel(1);
        let job = Job { before, block, flush, reply };
        self.replies.push_back(replies);
        let sent = self.jobs.as_ref().is_some_and(|jobs| jobs.send(job).is_ok());
        if sent { Ok(()) } else { Err(stopped()) }
    }

    fn receive(&mut self) -> io::Result<()> {
        let Some(reply) = self.replies.pop_front() else { return Ok(()) };
        let compressed = reply.recv().map_err(|_| stopped())??;
        self.output.write_all(&compressed)
    }

    /// Compresses what is left, writes the trailer and returns the output.
    pub(super) fn finish(mut self) -> io::Result<W> {
        self.submit(FlushCompress::Finish)?;
        while !self.replies.is_empty() {
            self.receive()?;
        }
        self.jobs = None;
        for worker in self.workers {
            worker.join().map_err(|_| stopped())?;
        }
        self.output.write_all(&self.crc.sum().to_le_bytes())?;
        self.output.write_all(&self.crc.amount().to_le_bytes())?;
        Ok(self.output)
    }
}

fn stopped() -> io::Error {
    io::Error::other("a compressing thread has stopped")
}

impl<W: Write> Write for ParallelGzip<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.block.len() == BLOCK {
            self.submit(FlushCompress::Sync)?;
        }
        let count = bytes.len().min(BLOCK - self.block.len());
        self.block.extend_from_slice(&bytes[..count]);
        self.crc.update(&bytes[..count]);
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn work(queue: &Mutex<Receiver<Job>>, level: u32) {
    loop {
        let job = queue.lock().unwrap_or_else(PoisonError::into_inner).recv();
        let Ok(job) = job else { return };
        // Nobody waits for the reply any more when writing the output has failed.
        let _ = job.reply.send(deflate(level, &job));
    }
}

fn deflate(level: u32, job: &Job) -> io::Result<Vec<u8>> {
    // A new one for each block. One that is reset goes on hashing bytes that the block before has left behind
    // its input, and so finds other matches in about every tenth block of text: the output would depend on
    // which thread had which blocks.
    let mut compress = Compress::new(Compression::new(level), false);
    if let Some(before) = &job.before {
        let window = &before[before.len().saturating_sub(WINDOW)..];
        compress.set_dictionary(window).map_err(io::Error::other)?;
    }
    let mut output = Vec::with_capacity(job.block.len() / 2 + 1024);
    loop {
        let read = usize::try_from(compress.total_in()).unwrap_or(usize::MAX);
        let status = compress.compress_vec(&job.block[read..], &mut output, job.flush);
        let all_read = compress.total_in() == job.block.len() as u64;
        let ended = match status.map_err(io::Error::other)? {
            Status::StreamEnd => true,
            // A flush is complete when it has left room in the output.
            Status::Ok | Status::BufError => {
                matches!(job.flush, FlushCompress::Sync) && all_read && output.len() < output.capacity()
            }
        };
        if ended {
            return Ok(output);
        }
        output.reserve(output.capacity().max(1024));
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read as _;

    use proptest::prelude::*;

    use super::*;

    fn compressed(content: &[u8], level: u32, threads: usize) -> Vec<u8> {
        let threads = NonZeroUsize::new(threads).expect("not zero");
        let mut gzip = ParallelGzip::new(Vec::new(), level, threads).expect("start");
        for part in content.chunks(70_000) {
            gzip.write_all(part).expect("write");
        }
        gzip.finish().expect("finish")
    }

    fn inflated(gzip: &[u8]) -> Vec<u8> {
        let mut content = Vec::new();
        // Reads one member only, and so proves that there is one.
        flate2::bufread::GzDecoder::new(gzip).read_to_end(&mut content).expect("valid");
        content
    }

    fn content(length: usize) -> Vec<u8> {
        let mut state = 7_u32;
        let words = ["layer ", "digest ", "manifest ", "\n", "index ", "blob ", "x", "sha256 "];
        let mut content = Vec::with_capacity(length + 16);
        while content.len() < length {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            content.extend_from_slice(words[(state >> 29) as usize].as_bytes());
        }
        content.truncate(length);
        content
    }

    #[test]
    fn threads_do_not_change_the_bytes() {
        for length in [0, 1, BLOCK - 1, BLOCK, BLOCK + 1, 3 * BLOCK + 12_345] {
            let content = content(length);
            let one = compressed(&content, 6, 1);
            assert!(inflated(&one) == content, "{length}");
            for threads in [2, 5] {
                assert!(compressed(&content, 6, threads) == one, "{length} {threads}");
            }
        }
    }

    #[test]
    fn blocks_cost_little() {
        let content = content(4 * BLOCK);
        let parallel = compressed(&content, 6, 2).len();
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), Compression::new(6));
        encoder.write_all(&content).expect("write");
        let single = encoder.finish().expect("finish").len();
        assert!(parallel < single + single / 100, "{parallel} {single}");
    }

    #[test]
    fn a_broken_output_ends_it() {
        struct Full;
        impl Write for Full {
            fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
                if bytes.len() == HEADER.len() { Ok(bytes.len()) } else { Err(io::Error::other("full")) }
            }
            fn flush(&mut self) -> io::Result<()> {
                Ok(())
            }
        }
        let mut gzip = ParallelGzip::new(Full, 1, NonZeroUsize::MIN).expect("start");
        let written = gzip.write_all(&content(10 * BLOCK));
        assert_eq!(written.expect_err("full").to_string(), "full");
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(30))]

        #[test]
        fn any_content_comes_back(
            content in proptest::collection::vec(any::<u8>(), 0..5000),
            times in 1..400_usize,
            level in 0..=9_u32,
        ) {
            let content = content.repeat(times);
            prop_assert!(inflated(&compressed(&content, level, 3)) == content);
        }
    }
}
