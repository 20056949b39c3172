//! The long texts of the records: descriptions and references, in compressed frames that are unpacked only
//! when somebody asks for a text.

use serde::{Deserialize, Serialize};

use super::Database;
use super::layout::{FrameRow, MAX_FRAME, RecordRow, Section};
use crate::feeds::record::Reference;

/// The long text of a record, as it is stored.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct LongText {
    pub(crate) summary: String,
    pub(crate) details: String,
    /// The packages it names, `ecosystem name` each; not all of them when there are very many.
    #[serde(default)]
    pub(crate) packages: Vec<String>,
    pub(crate) references: Vec<Reference>,
    pub(crate) related: Vec<String>,
    pub(crate) vectors: Vec<String>,
}

impl Database {
    /// The long text of a record; `None` when the file is damaged where it lies.
    pub(super) fn long_text(&self, row: &RecordRow) -> Option<LongText> {
        let frame = self.table::<FrameRow>(Section::Frames).get(row.frame)?;
        let start = usize::try_from(frame.offset).ok()?;
        let packed = self.section(Section::Texts).get(start..start.checked_add(frame.length as usize)?)?;
        let unpacked = usize::try_from(frame.unpacked).ok().filter(|length| *length <= MAX_FRAME)?;
        let text = zstd::bulk::decompress(packed, unpacked).ok()?;
        let start = row.offset as usize;
        serde_json::from_slice(text.get(start..start.checked_add(row.length as usize)?)?).ok()
    }
}
