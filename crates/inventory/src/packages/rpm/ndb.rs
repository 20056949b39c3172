//! The database in `rpm`'s own form: pages of slots that say where each package's header lies, and the headers behind
//! them (`lib/backend/ndb/rpmpkg.c` of rpm describes it; all numbers little-endian).

use std::borrow::Cow;

use super::bytes::{Order, slice};

/// First bytes of the file.
pub(super) const MAGIC: &[u8] = b"RpmP";

const SLOT_MAGIC: u32 = u32::from_le_bytes(*b"Slot");
const BLOB_MAGIC: u32 = u32::from_le_bytes(*b"BlbS");
const PAGE: usize = 4096;
const SLOT: usize = 16;
/// The file's own header has the place of two slots.
const FIRST_SLOT: usize = 2;
/// Where headers lie is counted in blocks of this many bytes.
const BLOCK: usize = 16;

/// Hands over the header of each package.
pub(super) fn blobs(bytes: &[u8], take: &mut dyn FnMut(Cow<'_, [u8]>)) -> Result<(), &'static str> {
    let order = Order::Little;
    if order.u32(bytes, 4)? != 0 {
        return Err("it has a version that is not known");
    }
    let pages = order.usize(bytes, 12)?;
    let slots = slice(bytes, 0, pages.checked_mul(PAGE).ok_or("it has too many slots")?)?;
    // Headers do not overlap in an honest file.
    let mut budget = bytes.len();
    for slot in slots.chunks_exact(SLOT).skip(FIRST_SLOT) {
        if order.u32(slot, 0)? != SLOT_MAGIC {
            return Err("a slot is none");
        }
        let number = order.u32(slot, 4)?;
        // A free one.
        if number == 0 {
            continue;
        }
        let at = order.usize(slot, 8)?.checked_mul(BLOCK).ok_or("it is too large")?;
        if order.u32(bytes, at)? != BLOB_MAGIC || order.u32(bytes, at + 4)? != number {
            return Err("a slot points at something that is no package");
        }
        let length = order.usize(bytes, at + 12)?;
        budget = budget.checked_sub(length).ok_or("its packages overlap")?;
        take(Cow::Borrowed(slice(bytes, at + 16, length)?));
    }
    Ok(())
}
