//! SBOMs, statements and provenance.

#![no_main]

use libfuzzer_sys::fuzz_target;
use tidewaiter_inventory::{Provenance, sbom};

fuzz_target!(|data: &[u8]| {
    if let Ok(document) = sbom::read(data) {
        for write in [sbom::cyclonedx::write, sbom::spdx::write, sbom::scout::write] {
            let _ = sbom::read(&write(&document.inventory, &document.subject));
        }
    }
    if let Some(provenance) = Provenance::parse(data) {
        let _ = provenance.base();
    }
});
