//! sprig: semantic versions and constraints on them, after the `semver` library that sprig uses.

use std::cmp::Ordering;
use std::fmt;
use std::rc::Rc;
use std::sync::LazyLock;

use regex::Regex;

use crate::value::Value;

use super::Parameter::Text;
use super::{Function, text_of};

pub(super) const FUNCTIONS: &[Function] = &[
    Function::new("semver", &[Text], |context, values| {
        let text = text_of(&values[0]);
        context.budget.charge(text.len().saturating_mul(2))?;
        Version::parse(text).map(|version| Value::Version(Rc::new(version)))
    }),
    Function::new("semverCompare", &[Text, Text], |context, values| {
        let (constraint, version) = (text_of(&values[0]), text_of(&values[1]));
        context.budget.charge(constraint.len().saturating_mul(8).saturating_add(version.len()))?;
        let alternatives = alternatives(constraint)?;
        let version = Version::parse(version)?;
        let holds = |all: &Vec<Constraint>| all.iter().all(|constraint| constraint.allows(&version));
        Ok(Value::Bool(alternatives.iter().any(holds)))
    }),
];

/// The numbers of a version, of which the last may be missing, with its additions.
static VERSION: LazyLock<Regex> = LazyLock::new(|| {
    let addition = r"[0-9A-Za-z-]+(?:\.[0-9A-Za-z-]+)*";
    let pattern =
        format!(r"^v?(\d+|[xX*])(?:\.(\d+|[xX*]))?(?:\.(\d+|[xX*]))?(?:-({addition}))?(?:\+({addition}))?");
    Regex::new(&pattern).expect("the pattern is constant and tested")
});

/// A range such as `1.2 - 3`.
static RANGE: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(r"(v?[0-9xX*][0-9A-Za-z.*+-]*)\s+-\s+(v?[0-9xX*][0-9A-Za-z.*+-]*)")
        .expect("the pattern is constant and tested")
});

/// A version; numbers that its text leaves out are zero.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Version {
    version: semver::Version,
    original: String,
}

/// The method compares two versions.
pub(crate) fn is_comparison(method: &str) -> bool {
    matches!(method, "Compare" | "Equal" | "LessThan" | "LessThanEqual" | "GreaterThan" | "GreaterThanEqual")
}

impl Version {
    fn parse(text: &str) -> Result<Self, String> {
        const INVALID: &str = "Invalid Semantic Version";
        let found = VERSION.captures(text).filter(|found| found[0].len() == text.len()).ok_or(INVALID)?;
        let number = |group: usize| match found.get(group) {
            None => Ok(0),
            Some(digits) => digits.as_str().parse().map_err(|_| INVALID.to_owned()),
        };
        let addition = |group: usize| found.get(group).map_or("", |text| text.as_str());
        let version = semver::Version {
            major: number(1)?,
            minor: number(2)?,
            patch: number(3)?,
            pre: semver::Prerelease::new(addition(4)).map_err(|_| "Version segment starts with 0")?,
            build: semver::BuildMetadata::new(addition(5)).map_err(|_| INVALID)?,
        };
        Ok(Self { version, original: text.to_owned() })
    }

    /// What a method without arguments gives.
    pub(crate) fn part(&self, name: &str) -> Result<Value, String> {
        let number = |number: u64| Ok(Value::Int(i64::try_from(number).unwrap_or(i64::MAX)));
        match name {
            "Major" => number(self.version.major),
            "Minor" => number(self.version.minor),
            "Patch" => number(self.version.patch),
            "Prerelease" => Ok(Value::text(self.version.pre.as_str())),
            "Metadata" => Ok(Value::text(self.version.build.as_str())),
            "Original" => Ok(Value::text(self.original.as_str())),
            "String" => Ok(Value::text(self.to_string())),
            method if is_comparison(method) => {
                Err(format!("wrong number of args for {method}: want 1 got 0"))
            }
            other => Err(format!("can't evaluate field {other} in type *semver.Version")),
        }
    }

    /// What a method gives that compares with another version; metadata does not count.
    pub(crate) fn compared(&self, method: &str, other: &Self) -> Value {
        let order = self.order(other);
        match method {
            "Equal" => Value::Bool(order.is_eq()),
            "LessThan" => Value::Bool(order.is_lt()),
            "LessThanEqual" => Value::Bool(order.is_le()),
            "GreaterThan" => Value::Bool(order.is_gt()),
            "GreaterThanEqual" => Value::Bool(order.is_ge()),
            _ => Value::Int(order as i64),
        }
    }

    fn order(&self, other: &Self) -> Ordering {
        self.version.cmp_precedence(&other.version)
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.version.fmt(f)
    }
}

/// What a constraint asks of a version.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Operator {
    Same,
    Different,
    Greater,
    Less,
    GreaterOrSame,
    LessOrSame,
    Tilde,
    Caret,
}

/// Signs of operators, longer ones before those that they begin with.
const SIGNS: &[(&str, Operator)] = &[
    ("!=", Operator::Different),
    (">=", Operator::GreaterOrSame),
    ("=>", Operator::GreaterOrSame),
    ("<=", Operator::LessOrSame),
    ("=<", Operator::LessOrSame),
    ("~>", Operator::Tilde),
    ("=", Operator::Same),
    (">", Operator::Greater),
    ("<", Operator::Less),
    ("~", Operator::Tilde),
    ("^", Operator::Caret),
    ("", Operator::Same),
];

/// Which number is the first that a constraint leaves open.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Open {
    Major,
    Minor,
    Patch,
    Nothing,
}

/// A constraint: an operator and a version, of which numbers may be left open.
#[derive(Debug)]
struct Constraint {
    operator: Operator,
    version: Version,
    open: Open,
}

/// Constraints of which one list must hold: `a, b || c`.
fn alternatives(text: &str) -> Result<Vec<Vec<Constraint>>, String> {
    let text = RANGE.replace_all(text, ">= $1, <= $2");
    text.split("||").map(together).collect()
}

/// Constraints that must hold together, with blanks or commas between them.
fn together(text: &str) -> Result<Vec<Constraint>, String> {
    let improper = || format!("improper constraint: {text}");
    let mut rest = text.trim();
    if rest.is_empty() {
        return Ok(vec![Constraint {
            operator: Operator::Same,
            version: Version::parse("0.0.0")?,
            open: Open::Major,
        }]);
    }
    let mut all = Vec::new();
    loop {
        let sign = SIGNS.iter().find_map(|(sign, operator)| Some((rest.strip_prefix(sign)?, *operator)));
        let (after, operator) = sign.ok_or_else(improper)?;
        let after = after.trim_start();
        let found = VERSION.captures(after).ok_or_else(improper)?;
        all.push(constraint(operator, &found)?);
        let after = &after[found[0].len()..];
        if after.is_empty() {
            return Ok(all);
        }
        let next = after.trim_start();
        let next = next.strip_prefix(',').map_or(next, str::trim_start);
        if next.len() == after.len() || next.is_empty() {
            return Err(improper());
        }
        rest = next;
    }
}

fn constraint(operator: Operator, found: &regex::Captures<'_>) -> Result<Constraint, String> {
    let number =
        |group: usize| found.get(group).map(|text| text.as_str()).filter(|text| !"xX*".contains(text));
    let pre = found.get(4).map_or(String::new(), |pre| format!("-{}", pre.as_str()));
    let (numbers, open) = match (number(1), number(2), number(3)) {
        (None, ..) => ("0.0.0".to_owned(), Open::Major),
        (Some(major), None, _) => (format!("{major}.0.0"), Open::Minor),
        (Some(major), Some(minor), None) => (format!("{major}.{minor}.0"), Open::Patch),
        (Some(major), Some(minor), Some(patch)) => (format!("{major}.{minor}.{patch}"), Open::Nothing),
    };
    Ok(Constraint { operator, version: Version::parse(&format!("{numbers}{pre}"))?, open })
}

impl Constraint {
    fn allows(&self, version: &Version) -> bool {
        let order = version.order(&self.version);
        // Pre-releases are meant only where the constraint names one.
        let is_meant = version.version.pre.is_empty() || !self.version.version.pre.is_empty();
        if self.operator == Operator::Different {
            return if self.open == Open::Nothing {
                order.is_ne()
            } else {
                is_meant && self.differs(version)
            };
        }
        is_meant
            && match self.operator {
                Operator::Less => order.is_lt(),
                Operator::GreaterOrSame => order.is_ge(),
                Operator::Greater => self.is_below(version),
                Operator::LessOrSame => self.is_not_below(version),
                Operator::Same if self.open == Open::Nothing => order.is_eq(),
                Operator::Same | Operator::Tilde => order.is_ge() && self.tilde(version),
                Operator::Caret => order.is_ge() && self.caret(version),
                Operator::Different => false,
            }
    }

    fn same_major(&self, version: &Version) -> bool {
        self.version.version.major == version.version.major
    }

    fn same_minor(&self, version: &Version) -> bool {
        self.version.version.minor == version.version.minor
    }

    /// `!=` with open numbers: outside of the range.
    fn differs(&self, version: &Version) -> bool {
        let (ours, theirs) = (&self.version.version, &version.version);
        match self.open {
            _ if !self.same_major(version) => true,
            Open::Minor => false,
            _ if !self.same_minor(version) => true,
            Open::Patch => ours.pre != theirs.pre,
            _ => version.order(&self.version).is_ne(),
        }
    }

    /// `>`: with open numbers, above the whole range.
    fn is_below(&self, version: &Version) -> bool {
        let (ours, theirs) = (&self.version.version, &version.version);
        match (self.open, theirs.major.cmp(&ours.major)) {
            (Open::Nothing, _) => version.order(&self.version).is_gt(),
            (_, Ordering::Greater) => true,
            (_, Ordering::Less) | (Open::Minor, _) => false,
            (Open::Patch, _) => theirs.minor > ours.minor,
            (Open::Major, _) => version.order(&self.version).is_gt(),
        }
    }

    /// `<=`: with open numbers, within the range or below it.
    fn is_not_below(&self, version: &Version) -> bool {
        let (ours, theirs) = (&self.version.version, &version.version);
        match self.open {
            Open::Nothing => version.order(&self.version).is_le(),
            Open::Minor => theirs.major <= ours.major,
            _ => (theirs.major, theirs.minor) <= (ours.major, ours.minor) || theirs.major < ours.major,
        }
    }

    /// `~`: what may change is the patch, or the first open number.
    fn tilde(&self, version: &Version) -> bool {
        let ours = &self.version.version;
        let is_zero = (ours.major, ours.minor, ours.patch) == (0, 0, 0);
        if is_zero && matches!(self.open, Open::Major | Open::Nothing) {
            return true;
        }
        self.same_major(version) && (self.open == Open::Minor || self.same_minor(version))
    }

    /// `^`: what may change stands right of the first number that is not zero.
    fn caret(&self, version: &Version) -> bool {
        let ours = &self.version.version;
        if !self.same_major(version) {
            return false;
        }
        if ours.major > 0 || self.open == Open::Minor {
            return true;
        }
        if !self.same_minor(version) {
            return false;
        }
        ours.minor > 0 || self.open == Open::Patch || ours.patch == version.version.patch
    }
}
