//! A zip archive that streams by: members are read by their local headers, as they come.
//!
//! The central directory, which comes last, is not consulted, so a member that was deleted from it is seen all the
//! same. A stored member whose size is only told behind it cannot be told apart from what follows; the archive is
//! given up there.

use flate2::{Decompress, FlushDecompress, Status};

use super::{Budget, MAX_NAME, Reason, Visitor};

/// Length of a local header before its variable parts.
const HEADER: usize = 30;

/// Data are inflated in steps of this size.
const STEP: usize = 64 << 10;

/// What comes next.
enum State {
    /// A header: collected until it is whole.
    Header,
    /// Data of known length.
    Data { left: u64, member: Member },
    /// Deflated data that say themselves where they end.
    Inflating { member: Member },
    /// The sizes behind such data: collected until they are whole.
    Descriptor { inflated: u64, deflated: u64 },
    /// The central directory, or nothing that is understood.
    Done,
}

/// The member whose data come by.
struct Member {
    name: String,
    /// Its content, when it is wanted.
    content: Option<Vec<u8>>,
    coding: Coding,
    /// Size of the content, where the header says it.
    size: Option<u64>,
    /// Bytes set aside for the content.
    reserved: u64,
    failure: Option<Reason>,
    deflated: u64,
    inflated: u64,
}

/// How the data of a member are read.
enum Coding {
    /// As they are: stored, or of no interest.
    Plain,
    Deflated(Box<Decompress>),
    /// Deflated, and they have said that they end here.
    Ended,
}

/// Takes in an archive piece by piece.
pub(crate) struct Stream<V> {
    visitor: V,
    budget: Budget,
    state: State,
    /// Bytes of a header that came so far.
    pending: Vec<u8>,
    scratch: Vec<u8>,
    failure: Option<Reason>,
}

impl<V: Visitor> Stream<V> {
    pub(crate) fn new(visitor: V) -> Self {
        Self {
            visitor,
            budget: Budget::default(),
            state: State::Header,
            pending: Vec::new(),
            scratch: Vec::new(),
            failure: None,
        }
    }

    /// The next bytes of the archive.
    pub(crate) fn take(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            match std::mem::replace(&mut self.state, State::Done) {
                State::Header => self.header(&mut bytes),
                State::Data { left, mut member } => {
                    let now = bytes.len().min(usize::try_from(left).unwrap_or(usize::MAX));
                    let (data, rest) = bytes.split_at(now);
                    bytes = rest;
                    self.data(&mut member, data);
                    let left = left - now as u64;
                    if left > 0 {
                        self.state = State::Data { left, member };
                    } else {
                        self.close(member);
                    }
                }
                State::Inflating { mut member } => {
                    let used = self.data(&mut member, bytes);
                    bytes = &bytes[used..];
                    if matches!(member.coding, Coding::Ended) {
                        let (inflated, deflated) = (member.inflated, member.deflated);
                        self.close(member);
                        self.state = State::Descriptor { inflated, deflated };
                    } else if used > 0 {
                        self.state = State::Inflating { member };
                    } else {
                        // Nobody knows where the next member is.
                        self.close(member);
                        self.give_up("the data of a member are damaged");
                    }
                }
                State::Descriptor { inflated, deflated } => self.descriptor(&mut bytes, inflated, deflated),
                State::Done => return,
            }
        }
    }

    /// The visitor after the last byte, and what was wrong with the archive as a whole.
    pub(crate) fn finish(mut self) -> (V, Result<(), Reason>) {
        let is_whole = matches!(self.state, State::Done);
        if let State::Data { member, .. } | State::Inflating { member } =
            std::mem::replace(&mut self.state, State::Done)
            && member.content.is_some()
        {
            self.visitor.unread(&member.name, "the archive ends in the middle of it".to_owned());
        }
        let failure =
            self.failure.or_else(|| (!is_whole).then(|| "it has no directory at its end".to_owned()));
        (self.visitor, failure.map_or(Ok(()), Err))
    }

    fn give_up(&mut self, reason: &str) {
        self.failure = Some(format!("{reason}; what follows in it is not looked into"));
        self.state = State::Done;
    }

    /// Moves bytes into `pending` until it has `length`; false when more have to come.
    fn collect(&mut self, bytes: &mut &[u8], length: usize) -> bool {
        let now = length.saturating_sub(self.pending.len()).min(bytes.len());
        let (first, rest) = bytes.split_at(now);
        self.pending.extend_from_slice(first);
        *bytes = rest;
        self.pending.len() >= length
    }

    fn header(&mut self, bytes: &mut &[u8]) {
        self.state = State::Header;
        if !self.collect(bytes, 4) {
            return;
        }
        match self.pending.first_chunk::<4>() {
            Some(b"PK\x03\x04") => {}
            Some(b"PK\x01\x02" | b"PK\x05\x06" | b"PK\x06\x06" | b"PK\x06\x08") => {
                self.state = State::Done;
                return;
            }
            // Spanned archives of one part, and padding that signing tools leave.
            Some(b"PK\x07\x08") => return self.pending.clear(),
            _ => return self.give_up("it is not a zip archive from its first byte on"),
        }
        if !self.collect(bytes, HEADER) {
            return;
        }
        let header = Fields(&self.pending);
        let (flags, method) = (header.short(6), header.short(8));
        let (deflated, inflated) = (header.word(18), header.word(22));
        let (name, extra) = (usize::from(header.short(26)), usize::from(header.short(28)));
        if !self.collect(bytes, HEADER + name + extra) {
            return;
        }
        let pending = std::mem::take(&mut self.pending);
        let (name, extra) = pending[HEADER..].split_at(name);
        let (deflated, inflated) = zip64(extra, deflated, inflated);
        let name = str::from_utf8(name).unwrap_or_default();
        let is_wanted =
            !name.is_empty() && name.len() <= MAX_NAME && !name.ends_with('/') && self.visitor.wants(name);
        let is_described = flags & 8 != 0 && deflated == 0;
        match (method, is_described) {
            (0, true) => return self.give_up("it has a stored member of unknown size"),
            (0 | 8, _) if flags & 1 == 0 => {}
            (_, true) => {
                return self.give_up("it has a member that is encrypted or compressed in a rare way");
            }
            (_, false) => {
                if is_wanted {
                    self.visitor.unread(
                        name,
                        "it is encrypted or compressed in a way that Java does not read".to_owned(),
                    );
                }
                let member = Member::passed(name);
                self.state = State::Data { left: deflated, member };
                return;
            }
        }
        let member = self.open(name, is_wanted, method == 8, (!is_described).then_some(inflated));
        match is_described {
            true => self.state = State::Inflating { member },
            false if deflated == 0 => self.close(member),
            false => self.state = State::Data { left: deflated, member },
        }
    }

    /// Prepares for the data of a member; `size` is what the header says about the content.
    fn open(&mut self, name: &str, is_wanted: bool, is_deflated: bool, size: Option<u64>) -> Member {
        let mut member = Member { size, ..Member::passed(name) };
        if is_wanted {
            match self.budget.reserve(size.unwrap_or(0)) {
                Ok(reserved) => {
                    member.reserved = reserved;
                    member.content = Some(Vec::new());
                }
                Err(reason) => self.visitor.unread(name, reason),
            }
        }
        // Data of unknown length have to be followed to their end.
        if is_deflated && (member.content.is_some() || size.is_none()) {
            member.coding = Coding::Deflated(Box::new(Decompress::new(false)));
        }
        member
    }

    /// Takes in data of a member; returns how many of the bytes belong to it.
    fn data(&mut self, member: &mut Member, data: &[u8]) -> usize {
        let inflate = match &mut member.coding {
            Coding::Deflated(inflate) => inflate,
            Coding::Plain => {
                member.append(data, &mut self.budget);
                return data.len();
            }
            Coding::Ended => return data.len(),
        };
        let mut used = 0;
        self.scratch.resize(STEP, 0);
        loop {
            let (before_in, before_out) = (inflate.total_in(), inflate.total_out());
            let status = inflate.decompress(&data[used..], &mut self.scratch, FlushDecompress::None);
            let taken = (inflate.total_in() - before_in) as usize;
            let made = (inflate.total_out() - before_out) as usize;
            used += taken;
            member.deflated += taken as u64;
            if let Some(content) = &mut member.content {
                Member::append_to(
                    content,
                    &mut member.reserved,
                    &mut member.failure,
                    &self.scratch[..made],
                    &mut self.budget,
                );
            }
            member.inflated += made as u64;
            match status {
                Ok(Status::StreamEnd) => {
                    member.coding = Coding::Ended;
                    return used;
                }
                Ok(_) if taken > 0 || made > 0 => {}
                Ok(_) => return used,
                Err(_) => {
                    member.failure.get_or_insert_with(|| "its data are damaged".to_owned());
                    return used;
                }
            }
        }
    }

    /// Shows the member to the visitor.
    fn close(&mut self, member: Member) {
        self.state = State::Header;
        let Some(content) = &member.content else { return };
        let is_whole = match member.coding {
            Coding::Plain => true,
            Coding::Deflated(_) => false,
            Coding::Ended => member.size.is_none_or(|size| size == content.len() as u64),
        };
        match member.failure {
            Some(reason) => self.visitor.unread(&member.name, reason),
            None if !is_whole => self.visitor.unread(&member.name, "its data are damaged".to_owned()),
            None => self.visitor.member(&member.name, content, &mut self.budget),
        }
        self.budget.held += member.reserved;
    }

    /// Passes over the sizes behind a member: with or without a signature, of four or eight bytes each.
    fn descriptor(&mut self, bytes: &mut &[u8], inflated: u64, deflated: u64) {
        self.state = State::Descriptor { inflated, deflated };
        if !self.collect(bytes, 4) {
            return;
        }
        let start = if self.pending.starts_with(b"PK\x07\x08") { 4 } else { 0 };
        if !self.collect(bytes, start + 12) {
            return;
        }
        let fields = Fields(&self.pending);
        let is_short = fields.word(start + 4) == deflated && fields.word(start + 8) == inflated & 0xffff_ffff;
        if !is_short && !self.collect(bytes, start + 20) {
            return;
        }
        self.pending.clear();
        self.state = State::Header;
    }
}

impl Member {
    /// A member whose data are of no interest.
    fn passed(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            content: None,
            coding: Coding::Plain,
            size: None,
            reserved: 0,
            failure: None,
            deflated: 0,
            inflated: 0,
        }
    }

    fn append(&mut self, data: &[u8], budget: &mut Budget) {
        if let Some(content) = &mut self.content {
            Self::append_to(content, &mut self.reserved, &mut self.failure, data, budget);
        }
    }

    /// Keeps data of the content, as far as the budget reaches.
    fn append_to(
        content: &mut Vec<u8>,
        reserved: &mut u64,
        failure: &mut Option<Reason>,
        data: &[u8],
        budget: &mut Budget,
    ) {
        if failure.is_some() {
            return;
        }
        let needed = (content.len() + data.len()) as u64;
        if needed > *reserved {
            let whole = budget.held.saturating_add(*reserved);
            if needed > super::MAX_MEMBER || needed > whole || needed - *reserved > budget.inflated {
                *failure = Some("it is larger than what is read of a member".to_owned());
                content.clear();
                return;
            }
            budget.held = whole - needed;
            budget.inflated -= needed - *reserved;
            *reserved = needed;
        }
        content.extend_from_slice(data);
    }
}

/// Little-endian numbers at places that were collected before.
struct Fields<'a>(&'a [u8]);

impl Fields<'_> {
    fn short(&self, at: usize) -> u16 {
        self.0
            .get(at..at + 2)
            .and_then(|field| field.first_chunk())
            .map_or(0, |field| u16::from_le_bytes(*field))
    }

    fn word(&self, at: usize) -> u64 {
        let field = self.0.get(at..at + 4).and_then(|field| field.first_chunk());
        field.map_or(0, |field| u64::from(u32::from_le_bytes(*field)))
    }

    fn long(&self, at: usize) -> Option<u64> {
        self.0.get(at..at + 8).and_then(|field| field.first_chunk()).map(|field| u64::from_le_bytes(*field))
    }
}

/// The sizes with those of the ZIP64 extra field (identifier 1) in the place of the mark for "too large".
fn zip64(mut extra: &[u8], deflated: u64, inflated: u64) -> (u64, u64) {
    const TOO_LARGE: u64 = 0xffff_ffff;
    while extra.len() >= 4 {
        let fields = Fields(extra);
        let (id, length) = (fields.short(0), usize::from(fields.short(2)));
        if id == 1 {
            let mut at = 4;
            let mut next = |size: u64| {
                if size != TOO_LARGE {
                    return size;
                }
                let value = fields.long(at).unwrap_or(size);
                at += 8;
                value
            };
            let inflated = next(inflated);
            return (next(deflated), inflated);
        }
        extra = extra.get(4 + length..).unwrap_or_default();
    }
    (deflated, inflated)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::tests::{Log, Way, zip};
    use super::super::visit;
    use super::*;

    fn streamed(archive: &[u8], step: usize) -> (Log, Result<(), Reason>) {
        let mut stream = Stream::new(Log::default());
        archive.chunks(step.max(1)).for_each(|piece| stream.take(piece));
        stream.finish()
    }

    fn way() -> impl Strategy<Value = Way> {
        prop_oneof![Just(Way::Stored), Just(Way::Deflated), Just(Way::Described)]
    }

    proptest! {
        #[test]
        fn a_stream_shows_what_the_directory_does(
            members in prop::collection::vec(("(skip)?[a-z/]{1,9}x", "[ -~]{0,99}", way()), 0..8),
            step in 1_usize..80,
        ) {
            let members: Vec<_> =
                members.iter().map(|(name, content, way)| (name.as_str(), content.as_bytes(), *way)).collect();
            let archive = zip(&members);
            let mut whole = Log::default();
            prop_assert_eq!(visit(&archive, &mut whole, &mut Budget::default()), Ok(()));
            prop_assert_eq!(streamed(&archive, step), (whole, Ok(())));
        }

        #[test]
        fn damage_ends_quietly(
            at in any::<prop::sample::Index>(),
            byte in any::<u8>(),
            step in 1_usize..80,
        ) {
            let text = b"some text, some text, some text";
            let mut archive =
                zip(&[("a", text, Way::Deflated), ("b", text, Way::Described), ("c", text, Way::Stored)]);
            let at = at.index(archive.len());
            archive[at] = byte;
            let mut log = Log::default();
            let _ = visit(&archive, &mut log, &mut Budget::default());
            let _ = streamed(&archive, step);
            let _ = streamed(&archive[..at], step);
        }
    }

    #[test]
    fn a_bomb_is_told_and_the_rest_read() {
        let large = vec![0; 33 << 20];
        for way in [Way::Deflated, Way::Described] {
            let (log, whole) = streamed(&zip(&[("bomb", &large, way), ("b", b"rest", Way::Deflated)]), 1000);
            assert_eq!(whole, Ok(()));
            assert!(log.0[0].starts_with("bomb: it "), "{log:?}");
            assert_eq!(log.0[1], "b=rest");
        }
    }

    /// Data that end too early, go on too long, or have another size than was said.
    #[test]
    fn members_that_are_not_what_their_header_says_are_damaged() {
        let sound = zip(&[("a", b"some text, some text", Way::Deflated), ("b", b"rest", Way::Stored)]);
        let (deflated, name) = (u32::from_le_bytes(*sound[18..].first_chunk().expect("a size")), 31);
        for change in [-1_i32, 1] {
            let mut data = sound[name..name + deflated as usize].to_vec();
            data.resize((deflated as i32 + change) as usize, 0);
            let mut archive = sound[..name].to_vec();
            archive[18..22].copy_from_slice(&(deflated as i32 + change).to_le_bytes());
            archive.extend(data);
            archive.extend(&sound[name + deflated as usize..]);
            for step in [1, 7, 1000] {
                let (log, _) = streamed(&archive, step);
                let expect = if change < 0 { "a: its data are damaged" } else { "a=some text, some text" };
                assert_eq!(log.0, [expect, "b=rest"], "{change} {step}");
            }
        }
        let mut archive = sound;
        archive[22] += 1;
        assert_eq!(streamed(&archive, 5).0.0, ["a: its data are damaged", "b=rest"]);
    }

    #[test]
    fn a_torn_archive_says_so() {
        let archive = zip(&[("a", b"some text", Way::Stored)]);
        let (log, whole) = streamed(&archive[..35], 7);
        assert_eq!(log.0, ["a: the archive ends in the middle of it"]);
        assert!(whole.is_err());
    }
}
