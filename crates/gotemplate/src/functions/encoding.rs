//! sprig: base64, base32 and checksums.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use sha2::Digest as _;

use crate::value::Value;

use super::Parameter::Text;
use super::{Function, text_of};

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
    Function::new("sha256sum", &[Text], |context, values| {
        let text = text_of(&values[0]);
        context.budget.charge(text.len())?;
        let sum = sha2::Sha256::digest(text);
        Ok(Value::text(sum.iter().map(|byte| format!("{byte:02x}")).collect::<String>()))
    }),
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

/// RFC 4648 base 32 with padding.
fn base32(bytes: &[u8]) -> String {
    const ALPHABET: &[u8; 32] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
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
