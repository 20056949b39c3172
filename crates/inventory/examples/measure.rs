//! How fast layers are read, against what cannot be avoided: decoding and hashing.
//!
//! `cargo run --release -p tidewaiter-inventory --example measure -- LAYER…` reads each layer file (tar, gzip or
//! zstd) from memory, three times per way, and prints the best rates in megabytes of tar per second: by the clock
//! on the wall, and in brackets by processor time, which other work on the machine does not change much.
//! Linux only.
//!
//! `… -- floor LAYER…` goes through the layers once, one after the other, and does only what anybody must who reads an
//! image: hash the bytes as stored, decode them, hash the tar.
#![allow(clippy::print_stdout, reason = "a program for people, not part of the library")]

use std::error::Error;
use std::fs::File;
use std::io::{self, BufReader, Read};
use std::time::Instant;

use ring::digest::{Context, SHA256};
use tidewaiter_inventory::{LayerSource, Limits, layer};

const ROUNDS: usize = 3;

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args_os().skip(1).peekable();
    if arguments.next_if(|first| first == "floor").is_some() {
        for path in arguments {
            floor(File::open(path)?)?;
        }
        return Ok(());
    }
    println!("{:>13} {:>13} {:>13} {:>13}  layer", "decode", "hash", "both", "layer::read");
    for path in arguments {
        let bytes = std::fs::read(&path)?;
        let mut tar = Vec::new();
        decoder(&bytes)?.read_to_end(&mut tar)?;
        let decode = rate(|| io::copy(&mut decoder(&bytes)?, &mut io::sink()))?;
        let hash = rate(|| decode_and_hash(&tar))?;
        let both = rate(|| decode_and_hash(&bytes))?;
        let read = rate(|| {
            let fragment = layer::read(&bytes[..], &LayerSource::default(), &Limits::default());
            fragment.map(|fragment| fragment.uncompressed_size).map_err(io::Error::other)
        })?;
        println!("{decode:>13} {hash:>13} {both:>13} {read:>13}  {}", path.display());
    }
    Ok(())
}

/// The least that reading a stored layer takes.
fn floor(file: File) -> io::Result<u64> {
    let mut stored =
        Hashed { inner: BufReader::with_capacity(256 << 10, file), context: Context::new(&SHA256) };
    let mut head = [0; 4];
    stored.read_exact(&mut head)?;
    let whole = BufReader::with_capacity(256 << 10, head.as_slice().chain(stored));
    match head {
        [0x1f, 0x8b, ..] => hash(flate2::bufread::MultiGzDecoder::new(whole)),
        [0x28, 0xb5, 0x2f, 0xfd] => hash(zstd::stream::read::Decoder::with_buffer(whole)?),
        _ => hash(whole),
    }
}

/// A reader whose bytes are hashed as they pass.
struct Hashed<R> {
    inner: R,
    context: Context,
}

impl<R: Read> Read for Hashed<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.inner.read(buffer)?;
        self.context.update(&buffer[..count]);
        Ok(count)
    }
}

/// The best of some rounds; each returns the bytes of tar it went through.
fn rate(mut round: impl FnMut() -> io::Result<u64>) -> io::Result<String> {
    let (mut wall, mut processor) = (0.0_f64, 0.0_f64);
    for _ in 0..ROUNDS {
        let (start, spent) = (Instant::now(), processor_seconds()?);
        let megabytes = round()? as f64 / 1e6;
        wall = wall.max(megabytes / start.elapsed().as_secs_f64());
        processor = processor.max(megabytes / (processor_seconds()? - spent).max(0.01));
    }
    Ok(format!("{wall:.0} ({processor:.0})"))
}

/// Time all threads of this process have spent on processors, in steps of 10 ms.
fn processor_seconds() -> io::Result<f64> {
    let stat = std::fs::read_to_string("/proc/self/stat")?;
    // Field 2 is the program's name in parentheses; 14 and 15 are user and system time.
    let fields = stat.rsplit(')').next().unwrap_or_default().split_whitespace().skip(11).take(2);
    Ok(fields.filter_map(|field| field.parse::<f64>().ok()).sum::<f64>() / 100.0)
}

fn decoder(bytes: &[u8]) -> io::Result<Box<dyn Read + '_>> {
    Ok(match bytes {
        [0x1f, 0x8b, ..] => Box::new(flate2::bufread::MultiGzDecoder::new(bytes)),
        [0x28, 0xb5, 0x2f, 0xfd, ..] => Box::new(zstd::stream::read::Decoder::with_buffer(bytes)?),
        _ => Box::new(bytes),
    })
}

/// The least anybody must do who checks a `diff_id`, one after the other.
fn decode_and_hash(bytes: &[u8]) -> io::Result<u64> {
    hash(decoder(bytes)?)
}

fn hash(mut decoder: impl Read) -> io::Result<u64> {
    let mut context = Context::new(&SHA256);
    let mut buffer = vec![0; 256 << 10];
    let mut total = 0;
    loop {
        let count = decoder.read(&mut buffer)?;
        if count == 0 {
            std::hint::black_box(context.finish());
            return Ok(total);
        }
        context.update(&buffer[..count]);
        total += count as u64;
    }
}
