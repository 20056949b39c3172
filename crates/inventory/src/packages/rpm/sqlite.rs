//! The database as SQLite writes it, of which only one table matters: `Packages`, a number and a header per row
//! (<https://sqlite.org/fileformat2.html>).

use std::borrow::Cow;

use super::bytes::{Order, SHORT, slice};

/// First bytes of the file.
pub(super) const MAGIC: &[u8] = b"SQLite format 3\0";

/// Types of pages of table trees.
const INTERIOR: u8 = 5;
const LEAF: u8 = 13;

/// Hands over the header of each package.
pub(super) fn blobs(bytes: &[u8], take: &mut dyn FnMut(Cow<'_, [u8]>)) -> Result<(), &'static str> {
    let file = File::open(bytes)?;
    let mut root = None;
    file.rows(1, &mut |record| {
        let mut columns = Columns::of(&record)?;
        let kind = columns.next_value()?;
        let name = columns.next_value()?;
        columns.next_value()?;
        let page = columns.next_value()?;
        if kind == b"table" && name == b"Packages" {
            root = Some(page.iter().fold(0, |number: usize, &byte| number << 8 | usize::from(byte)));
        }
        Ok(())
    })?;
    let root = root.ok_or("it has no table of packages")?;
    file.rows(root, &mut |record| {
        let mut columns = Columns::of(&record)?;
        // The number of the row, which is kept elsewhere.
        columns.next_value()?;
        take(Cow::Borrowed(columns.next_value()?));
        Ok(())
    })
}

/// What is done with each row.
type Row<'r> = &'r mut dyn FnMut(Cow<'_, [u8]>) -> Result<(), &'static str>;

struct File<'a> {
    bytes: &'a [u8],
    page_size: usize,
    /// Bytes of a page that the format may use.
    usable: usize,
}

impl<'a> File<'a> {
    fn open(bytes: &'a [u8]) -> Result<Self, &'static str> {
        let page_size = match Order::Big.u16(bytes, 16)? {
            1 => 65536,
            size => size,
        };
        let reserved = usize::from(*bytes.get(20).ok_or(SHORT)?);
        if page_size < 512 || !page_size.is_power_of_two() {
            return Err("its page size makes no sense");
        }
        // Smaller than this, the format itself does not work.
        let usable = page_size.checked_sub(reserved).filter(|usable| *usable >= 480);
        Ok(Self { bytes, page_size, usable: usable.ok_or("its pages have no room")? })
    }

    fn pages(&self) -> usize {
        self.bytes.len() / self.page_size
    }

    /// A page by its number, from 1.
    fn page(&self, number: usize) -> Result<&'a [u8], &'static str> {
        let before = number.checked_sub(1).ok_or(SHORT)?;
        slice(self.bytes, before.checked_mul(self.page_size).ok_or(SHORT)?, self.page_size)
    }

    /// Hands over the rows of a table tree. No page is in two places of an honest file, so that as many are visited
    /// as there are at most.
    fn rows(&self, root: usize, row: Row<'_>) -> Result<(), &'static str> {
        let mut visits = self.pages();
        // Rows do not overlap in an honest file.
        let mut budget = self.bytes.len();
        let mut waiting = vec![root];
        while let Some(number) = waiting.pop() {
            visits = visits.checked_sub(1).ok_or("its pages point at each other in circles")?;
            let page = self.page(number)?;
            let at = if number == 1 { 100 } else { 0 };
            let kind = *page.get(at).ok_or(SHORT)?;
            let cells = Order::Big.u16(page, at + 3)?;
            match kind {
                INTERIOR => {
                    waiting.push(Order::Big.usize(page, at + 8)?);
                    for cell in (0..cells).rev() {
                        let offset = Order::Big.u16(page, at + 12 + 2 * cell)?;
                        waiting.push(Order::Big.usize(page, offset)?);
                    }
                    if waiting.len() > self.pages() {
                        return Err("its pages point at each other in circles");
                    }
                }
                LEAF => {
                    for cell in 0..cells {
                        let offset = Order::Big.u16(page, at + 8 + 2 * cell)?;
                        let payload = self.payload(page, offset, &mut visits)?;
                        // The number and the size of a row take a byte each.
                        budget = budget.checked_sub(payload.len() + 2).ok_or("its rows overlap")?;
                        row(payload)?;
                    }
                }
                _ => return Err("a page of a table is none"),
            }
        }
        Ok(())
    }

    /// The payload of a cell of a leaf, put together from the pages that it goes on in.
    fn payload(
        &self,
        page: &'a [u8],
        offset: usize,
        visits: &mut usize,
    ) -> Result<Cow<'a, [u8]>, &'static str> {
        let mut cell = page.get(offset..).ok_or(SHORT)?;
        let size = usize::try_from(varint(&mut cell)?).map_err(|_| SHORT)?;
        varint(&mut cell)?;
        let most = self.usable - 35;
        if size <= most {
            return slice(cell, 0, size).map(Cow::Borrowed);
        }
        if size > self.bytes.len() {
            return Err(SHORT);
        }
        let least = (self.usable - 12) * 32 / 255 - 23;
        let surplus = least + (size - least) % (self.usable - 4);
        let local = if surplus <= most { surplus } else { least };
        let mut payload = Vec::with_capacity(size);
        payload.extend_from_slice(slice(cell, 0, local)?);
        let mut next = Order::Big.usize(cell, local)?;
        while payload.len() < size {
            *visits = visits.checked_sub(1).ok_or("its pages point at each other in circles")?;
            let page = self.page(next)?;
            let length = (size - payload.len()).min(self.usable - 4);
            payload.extend_from_slice(slice(page, 4, length)?);
            next = Order::Big.usize(page, 0)?;
        }
        Ok(Cow::Owned(payload))
    }
}

/// A number of one to nine bytes, the higher ones first.
fn varint(bytes: &mut &[u8]) -> Result<u64, &'static str> {
    let mut value = 0;
    for position in 0..9 {
        let (&byte, rest) = bytes.split_first().ok_or(SHORT)?;
        *bytes = rest;
        if position == 8 {
            return Ok(value << 8 | u64::from(byte));
        }
        value = value << 7 | u64::from(byte & 0x7f);
        if byte & 0x80 == 0 {
            break;
        }
    }
    Ok(value)
}

/// The columns of a record, one after the other.
struct Columns<'a> {
    types: &'a [u8],
    values: &'a [u8],
}

impl<'a> Columns<'a> {
    fn of(record: &'a [u8]) -> Result<Self, &'static str> {
        let mut rest = record;
        let size = usize::try_from(varint(&mut rest)?).map_err(|_| SHORT)?;
        let types = record.get(record.len() - rest.len()..size).ok_or(SHORT)?;
        Ok(Self { types, values: record.get(size..).ok_or(SHORT)? })
    }

    /// The bytes of the next column: text and blobs as they are, whole numbers big-endian.
    fn next_value(&mut self) -> Result<&'a [u8], &'static str> {
        let length = match varint(&mut self.types)? {
            0 | 8 | 9 => 0,
            kind @ 1..=4 => kind,
            5 => 6,
            6 | 7 => 8,
            kind @ 12.. => (kind - 12) / 2,
            _ => return Err("a column has a type that is reserved"),
        };
        let (value, rest) = usize::try_from(length)
            .ok()
            .and_then(|length| self.values.split_at_checked(length))
            .ok_or(SHORT)?;
        self.values = rest;
        Ok(value)
    }
}
