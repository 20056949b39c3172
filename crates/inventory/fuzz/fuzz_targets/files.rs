//! Every parser of a single file: the first byte chooses the path, which chooses the parser.

#![no_main]

use libfuzzer_sys::fuzz_target;
use tidewaiter_inventory::{fuzzing, inspect};

fuzz_target!(|data: &[u8]| {
    let Some((first, bytes)) = data.split_first() else { return };
    let path = fuzzing::PATHS[usize::from(*first) % fuzzing::PATHS.len()];
    let _ = inspect(path, bytes, None);
    fuzzing::stream(path, bytes);
});
