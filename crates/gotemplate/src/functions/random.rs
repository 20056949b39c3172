//! sprig: random texts and numbers, from the surroundings' source of chance.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::value::Value;

use super::Parameter::{Int, Text};
use super::{Context, Function, int_of, text_of};

const DIGITS: &str = "0123456789";
const LETTERS: &str = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ";

pub(super) const FUNCTIONS: &[Function] = &[
    Function::new("randAlphaNum", &[Int], |context, values| {
        text_from(context, &values[0], &format!("{LETTERS}{DIGITS}"))
    }),
    Function::new("randAlpha", &[Int], |context, values| text_from(context, &values[0], LETTERS)),
    Function::new("randNumeric", &[Int], |context, values| text_from(context, &values[0], DIGITS)),
    Function::new("randAscii", &[Int], |context, values| {
        text_from(context, &values[0], &(' '..='~').collect::<String>())
    }),
    Function::new("randBytes", &[Int], |context, values| {
        let Ok(count) = usize::try_from(int_of(&values[0])) else {
            return Err("runtime error: makeslice: len out of range".to_owned());
        };
        context.budget.charge(count.saturating_mul(3))?;
        Ok(Value::text(STANDARD.encode(bytes(context, count)?)))
    }),
    Function::new("randInt", &[Int, Int], |context, values| {
        let (least, end) = (int_of(&values[0]), int_of(&values[1]));
        match end.checked_sub(least).and_then(|width| usize::try_from(width).ok()) {
            Some(width) if width > 0 => {
                let offset = i64::try_from(below(context, width)?).unwrap_or(0);
                Ok(Value::Int(least.wrapping_add(offset)))
            }
            _ => Err("invalid argument to Intn".to_owned()),
        }
    }),
    Function::new("shuffle", &[Text], |context, values| {
        let mut characters: Vec<char> = text_of(&values[0]).chars().collect();
        context.budget.charge(characters.len().saturating_mul(size_of::<char>() + 1))?;
        for end in (1..characters.len()).rev() {
            let other = below(context, end + 1)?;
            characters.swap(end, other);
        }
        Ok(Value::text(characters.into_iter().collect::<String>()))
    }),
    Function::new("uuidv4", &[], |context, _| {
        let mut uuid = bytes(context, 16)?;
        // Version 4, variant of RFC 9562.
        uuid[6] = uuid[6] & 0x0f | 0x40;
        uuid[8] = uuid[8] & 0x3f | 0x80;
        let digits: String = uuid.iter().map(|byte| format!("{byte:02x}")).collect();
        let groups = [&digits[..8], &digits[8..12], &digits[12..16], &digits[16..20], &digits[20..]];
        Ok(Value::text(groups.join("-")))
    }),
];

fn random(context: &Context<'_>) -> Result<u64, String> {
    context.surroundings.random().ok_or_else(|| "there is no source of random values here".to_owned())
}

/// A number under `end`. The range of the source is so much larger that what it favours cannot be noticed.
pub(super) fn below(context: &Context<'_>, end: usize) -> Result<usize, String> {
    let scaled = (u128::from(random(context)?) * end as u128) >> 64;
    Ok(usize::try_from(scaled).unwrap_or(0))
}

/// So many random bytes.
pub(super) fn bytes(context: &Context<'_>, count: usize) -> Result<Vec<u8>, String> {
    let mut bytes = Vec::with_capacity(count);
    while bytes.len() < count {
        let word = random(context)?.to_le_bytes();
        bytes.extend_from_slice(&word[..word.len().min(count - bytes.len())]);
    }
    Ok(bytes)
}

/// A text of so many ASCII letters; sprig makes an empty one of a count that makes no sense.
fn text_from(context: &mut Context<'_>, count: &Value, letters: &str) -> Result<Value, String> {
    let count = usize::try_from(int_of(count)).unwrap_or(0);
    context.budget.charge(count)?;
    let mut text = String::with_capacity(count);
    for _ in 0..count {
        let position = below(context, letters.len())?;
        text.push_str(&letters[position..=position]);
    }
    Ok(Value::text(text))
}
