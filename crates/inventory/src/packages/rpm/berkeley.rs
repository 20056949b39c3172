//! The database as a hash of Berkeley DB, which `rpm` wrote until 4.16: pairs of a number and a header on hash pages,
//! mostly with the header on a chain of overflow pages (`dbinc/db_page.h` of Berkeley DB describes the pages).

use std::borrow::Cow;

use super::bytes::{Order, slice};

/// The number that marks a hash, at byte 12, in the order of the machine that wrote it.
const MAGIC: u32 = 0x0006_1561;

/// Bytes before what a page holds.
const PAGE_HEADER: usize = 26;

/// Types of pages.
const UNSORTED_HASH: u8 = 2;
const OVERFLOW: u8 = 7;
const HASH: u8 = 13;

/// Types of what hash pages hold.
const INLINE: u8 = 1;
const OFF_PAGE: u8 = 3;

/// Beside packages there is a number, the last one that was given; no header is as short.
const SHORTEST: usize = 24;

/// Whether this is such a file.
pub(super) fn recognises(bytes: &[u8]) -> bool {
    order(bytes).is_some()
}

fn order(bytes: &[u8]) -> Option<Order> {
    [Order::Little, Order::Big].into_iter().find(|order| order.u32(bytes, 12) == Ok(MAGIC))
}

/// Hands over the header of each package.
pub(super) fn blobs(bytes: &[u8], take: &mut dyn FnMut(Cow<'_, [u8]>)) -> Result<(), &'static str> {
    let order = order(bytes).ok_or("it is no hash of Berkeley DB")?;
    let page_size = order.usize(bytes, 20)?;
    if !(512..=65536).contains(&page_size) || !page_size.is_power_of_two() {
        return Err("its page size makes no sense");
    }
    if bytes.get(24) != Some(&0) {
        return Err("it is encrypted");
    }
    let file = File { bytes, order, page_size };
    // No overflow page belongs to two packages.
    let mut visits = bytes.len() / page_size;
    // Nor do values within pages overlap.
    let mut budget = bytes.len();
    for page in bytes.chunks_exact(page_size).skip(1) {
        if ![HASH, UNSORTED_HASH].contains(&page[PAGE_HEADER - 1]) {
            continue;
        }
        let items = order.u16(page, 20)?;
        // Keys and values in turn; an item ends where the one before it begins.
        for item in (1..items).step_by(2) {
            let at = file.item(page, item)?;
            match page.get(at) {
                Some(&INLINE) => {
                    let end = file.item(page, item - 1)?;
                    let value = page.get(at + 1..end).ok_or("an item of a page has no length")?;
                    budget = budget.checked_sub(value.len() + 1).ok_or("its packages overlap")?;
                    if value.len() >= SHORTEST {
                        take(Cow::Borrowed(value));
                    }
                }
                Some(&OFF_PAGE) => {
                    let (first, size) = (order.usize(page, at + 4)?, order.usize(page, at + 8)?);
                    budget = budget.checked_sub(size).ok_or("its packages overlap")?;
                    take(Cow::Owned(file.chain(first, size, &mut visits)?));
                }
                _ => return Err("an item of a page is of a type that rpm does not write"),
            }
        }
    }
    Ok(())
}

struct File<'a> {
    bytes: &'a [u8],
    order: Order,
    page_size: usize,
}

impl File<'_> {
    /// Where an item of a page begins.
    fn item(&self, page: &[u8], item: usize) -> Result<usize, &'static str> {
        self.order.u16(page, PAGE_HEADER + 2 * item)
    }

    /// What lies on a chain of overflow pages.
    fn chain(&self, first: usize, size: usize, visits: &mut usize) -> Result<Vec<u8>, &'static str> {
        if size > self.bytes.len() {
            return Err("a package is larger than the file");
        }
        let mut value = Vec::with_capacity(size);
        let mut next = first;
        while value.len() < size {
            *visits = visits.checked_sub(1).ok_or("its pages point at each other in circles")?;
            let at = next.checked_mul(self.page_size).ok_or("it is too large")?;
            let page = slice(self.bytes, at, self.page_size)?;
            if page[PAGE_HEADER - 1] != OVERFLOW {
                return Err("a chain of pages leads to one of another type");
            }
            let length = self.order.u16(page, 22)?;
            if length == 0 {
                return Err("a page of a chain is empty");
            }
            value.extend_from_slice(slice(page, PAGE_HEADER, length)?);
            next = self.order.usize(page, 16)?;
        }
        value.truncate(size);
        Ok(value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_that_overlap_end_the_reading() {
        let mut bytes = vec![0; 1024];
        bytes[12..16].copy_from_slice(&MAGIC.to_le_bytes());
        bytes[20..24].copy_from_slice(&512_u32.to_le_bytes());
        let page = &mut bytes[512..];
        page[PAGE_HEADER - 1] = HASH;
        // A hundred pairs whose keys end, and whose values begin, at the same places.
        page[20..22].copy_from_slice(&200_u16.to_le_bytes());
        for item in 0..200_usize {
            let at: u16 = if item % 2 == 0 { 500 } else { 430 };
            page[PAGE_HEADER + 2 * item..][..2].copy_from_slice(&at.to_le_bytes());
        }
        page[430] = INLINE;
        let mut taken = 0;
        let read = blobs(&bytes, &mut |_| taken += 1);
        assert_eq!(read, Err("its packages overlap"));
        assert!(taken < 20, "{taken}");
    }
}
