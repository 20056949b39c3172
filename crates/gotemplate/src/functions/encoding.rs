//! sprig: base64, base32 and checksums.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::value::Value;

use super::Parameter::Text;
use super::{Context, Function, text_of};

pub(super) const FUNCTIONS: &[Function] = &[
    Function::new("b64enc", &[Text], |context, values| {
        let text = text_of(&values[0]);
        context.budget.charge(text.len().saturating_mul(2))?;
        Ok(Value::text(STANDARD.encode(text)))
    }),
    Function::new("b64dec", &[Text], |context, values| {
        let text = text_of(&values[0]);
        context.budget.charge(text.len())?;
        // sprig returns the decoder's complaint as the result.
        let decoded = STANDARD.decode(text).map_err(|_| "illegal base64 data");
        Ok(match decoded {
            Ok(bytes) => Value::text(String::from_utf8_lossy(&bytes).into_owned()),
            Err(complaint) => Value::text(complaint),
        })
    }),
    Function::new("b32enc", &[Text], |context, values| {
        let text = text_of(&values[0]);
        context.budget.charge(text.len().saturating_mul(2))?;
        Ok(Value::text(base32(text.as_bytes())))
    }),
    Function::new("b32dec", &[Text], |context, values| {
        let text = text_of(&values[0]);
        context.budget.charge(text.len())?;
        // As for base 64.
        Ok(match from_base32(text) {
            Ok(bytes) => Value::text(String::from_utf8_lossy(&bytes).into_owned()),
            Err(position) => Value::text(format!("illegal base32 data at input byte {position}")),
        })
    }),
    Function::new("sha1sum", &[Text], |context, values| sum::<sha1::Sha1>(context, &values[0])),
    Function::new("sha256sum", &[Text], |context, values| sum::<sha2::Sha256>(context, &values[0])),
    Function::new("sha512sum", &[Text], |context, values| sum::<sha2::Sha512>(context, &values[0])),
    Function::new("adler32sum", &[Text], |context, values| {
        let text = text_of(&values[0]);
        context.budget.charge(text.len())?;
        let (a, b) = text.bytes().fold((1_u32, 0_u32), |(a, b), byte| {
            let a = (a + u32::from(byte)) % 65521;
            (a, (b + a) % 65521)
        });
        Ok(Value::text((b << 16 | a).to_string()))
    }),
];

fn sum<D: sha2::Digest>(context: &mut Context<'_>, value: &Value) -> Result<Value, String> {
    let text = text_of(value);
    context.budget.charge(text.len())?;
    let sum = D::digest(text);
    Ok(Value::text(sum.iter().map(|byte| format!("{byte:02x}")).collect::<String>()))
}

/// Base 32 of RFC 4648.
const ALPHABET: &[u8; 32] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";

/// The bytes of a padded text, whose line breaks do not count; or the position of what does not belong.
fn from_base32(text: &str) -> Result<Vec<u8>, usize> {
    let letters: Vec<(usize, u8)> =
        text.bytes().enumerate().filter(|(_, byte)| !matches!(byte, b'\r' | b'\n')).collect();
    let padding = letters.iter().rev().take_while(|(_, byte)| *byte == b'=').count();
    let (digits, _) = letters.split_at(letters.len() - padding);
    let mut bytes = Vec::with_capacity(digits.len());
    let (mut bits, mut count) = (0_u16, 0);
    for (position, letter) in digits {
        let digit = ALPHABET.iter().position(|known| known == letter).ok_or(*position)?;
        bits = bits << 5 | u16::try_from(digit).unwrap_or(0);
        count += 5;
        if count >= 8 {
            count -= 8;
            bytes.push(u8::try_from(bits >> count & 0xff).unwrap_or(0));
            bits &= (1 << count) - 1;
        }
    }
    let is_whole = letters.len().is_multiple_of(8) && matches!(padding, 0 | 1 | 3 | 4 | 6) && count < 5;
    if is_whole { Ok(bytes) } else { Err(text.len()) }
}

/// RFC 4648 base 32 with padding.
fn base32(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len().div_ceil(5) * 8);
    for chunk in bytes.chunks(5) {
        let mut group = [0_u8; 8];
        group[3..3 + chunk.len()].copy_from_slice(chunk);
        let bits = u64::from_be_bytes(group);
        let letters = (chunk.len() * 8).div_ceil(5);
        for position in 0..8 {
            let index = usize::try_from(bits >> (35 - 5 * position) & 31).unwrap_or(0);
            text.push(if position < letters { char::from(ALPHABET[index]) } else { '=' });
        }
    }
    text
}
