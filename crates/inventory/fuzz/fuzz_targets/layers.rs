//! Layers: decompression, tar, and merging with itself under any configuration.

#![no_main]

use libfuzzer_sys::fuzz_target;
use tidewaiter_inventory::{Fragment, LayerSource, Limits, ManifestFacts, layer, merge};

fuzz_target!(|data: &[u8]| {
    let limits = Limits { uncompressed_bytes: 16 << 20, ..Limits::default() };
    if let Ok(fragment) = layer::read(data, &LayerSource::default(), &limits) {
        let _ = merge(&[&fragment, &fragment], data, &ManifestFacts::default());
        assert_eq!(Fragment::decode(&fragment.encode()).as_ref(), Ok(&fragment));
    }
    let _ = Fragment::decode(data);
});
