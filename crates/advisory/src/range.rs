//! Ranges of affected versions, walked exactly as the OSV schema says (section "Evaluation").

use std::cmp::Ordering;

use crate::versions::Scheme;

/// What happens at a version of a range.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum EventKind {
    /// Affected from this version on; `0` is before every version.
    Introduced,
    /// Not affected from this version on.
    Fixed,
    /// Not affected after this version.
    LastAffected,
    /// The range says nothing from this version on.
    Limit,
}

impl EventKind {
    const ALL: [Self; 4] = [Self::Introduced, Self::Fixed, Self::LastAffected, Self::Limit];

    pub(crate) fn to_byte(self) -> u8 {
        self as u8
    }

    pub(crate) fn from_byte(byte: u8) -> Option<Self> {
        Self::ALL.get(usize::from(byte)).copied()
    }
}

/// One event of a range.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Event<'a> {
    pub(crate) kind: EventKind,
    pub(crate) version: &'a str,
}

/// The version that stands for "before everything".
pub(crate) const BEGINNING: &str = "0";

/// The part of a range that an affected version lies in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Interval<'a> {
    /// The first affected version; [`BEGINNING`] when all earlier ones are.
    pub(crate) introduced: &'a str,
    pub(crate) end: End<'a>,
}

/// How an interval ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum End<'a> {
    /// With this version, which is no longer affected.
    Fixed(&'a str),
    /// After this version, which still is.
    LastAffected(&'a str),
    /// Not, as far as the record knows.
    Open,
}

/// Puts the events of one range into the order in which [`walk`] needs them.
///
/// At one and the same version the order of the record is kept, so that "fixed in 2, introduced again in 2"
/// and "introduced in 2, fixed in 2" both mean what they say; only `last_affected` goes last, because it
/// ends what was introduced at its own version.
pub(crate) fn sort<V: AsRef<str>>(scheme: Scheme, events: &mut [(EventKind, V)]) {
    events.sort_by(|(kind_a, a), (kind_b, b)| {
        let by_version = match (is_beginning(*kind_a, a.as_ref()), is_beginning(*kind_b, b.as_ref())) {
            (false, false) => scheme.compare(a.as_ref(), b.as_ref()),
            (a, b) => b.cmp(&a),
        };
        let last = |kind: EventKind| kind == EventKind::LastAffected;
        by_version.then_with(|| last(*kind_a).cmp(&last(*kind_b)))
    });
}

/// Whether an event stands before every version; only `introduced` can.
fn is_beginning(kind: EventKind, version: &str) -> bool {
    kind == EventKind::Introduced && version == BEGINNING
}

/// Finds the interval of a sorted range that the installed version lies in; `None` when the range spares it.
/// `compare` says how the installed version compares with one of the range.
pub(crate) fn walk<'a>(
    events: impl Iterator<Item = Event<'a>>,
    compare: impl Fn(&str) -> Ordering,
) -> Option<Interval<'a>> {
    let mut introduced = None;
    let mut end = End::Open;
    // A range with limits speaks only of versions below one of them.
    let (mut is_limited, mut is_below_limit) = (false, false);
    for Event { kind, version } in events {
        // How the installed version compares with this one.
        let order = if version == BEGINNING { Ordering::Greater } else { compare(version) };
        match kind {
            EventKind::Introduced if order.is_ge() => introduced = Some(version),
            EventKind::Fixed if order.is_ge() => introduced = None,
            EventKind::LastAffected if order.is_gt() => introduced = None,
            EventKind::Fixed if end == End::Open => end = End::Fixed(version),
            EventKind::LastAffected if end == End::Open => end = End::LastAffected(version),
            EventKind::Limit => {
                is_limited = true;
                is_below_limit |= order.is_lt();
            }
            EventKind::Introduced | EventKind::Fixed | EventKind::LastAffected => {}
        }
    }
    introduced.filter(|_| !is_limited || is_below_limit).map(|introduced| Interval { introduced, end })
}
