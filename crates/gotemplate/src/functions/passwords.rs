//! sprig: hashed and derived passwords.

use hmac::{KeyInit as _, Mac as _};

use crate::value::Value;

use super::Parameter::{Int, Text};
use super::random::bytes;
use super::{Context, Function, int_of, text_of};

/// Units of work that stand for a bcrypt hash, and for a derived key: some hundredths of a second each.
const HASH_WORK: usize = 2 << 20;
const DERIVE_WORK: usize = 8 << 20;

/// Go's default cost of bcrypt, and the longest password that it takes.
const COST: u32 = 10;
const LONGEST: usize = 72;

pub(super) const FUNCTIONS: &[Function] = &[
    Function::new("bcrypt", &[Text], |context, values| hash(context, text_of(&values[0])).map(Value::text)),
    Function::new("htpasswd", &[Text, Text], |context, values| {
        let user = text_of(&values[0]);
        if user.contains(':') {
            return Ok(Value::text(format!("invalid username: {user}")));
        }
        let hash = hash(context, text_of(&values[1]))?;
        Ok(Value::text(format!("{user}:{hash}")))
    }),
    Function::new("derivePassword", &[Int, Text, Text, Text, Text], derive),
];

fn hash(context: &mut Context<'_>, password: &str) -> Result<String, String> {
    if password.len() > LONGEST {
        // sprig returns the complaint as the result.
        return Ok(
            "failed to encrypt string with bcrypt: bcrypt: password length exceeds 72 bytes".to_owned()
        );
    }
    context.budget.charge(HASH_WORK)?;
    let salt = bytes(context, 16)?.try_into().map_err(|_| "the salt has another length")?;
    let hash = bcrypt::hash_with_salt(password, COST, salt).map_err(|error| error.to_string())?;
    Ok(hash.format_for_version(bcrypt::Version::TwoA))
}

/// What passwords of a kind look like: each letter stands for a class of characters.
fn templates(kind: &str) -> Option<&'static [&'static str]> {
    Some(match kind {
        "maximum" => &["anoxxxxxxxxxxxxxxxxx", "axxxxxxxxxxxxxxxxxno"],
        "long" => &[
            "CvcvnoCvcvCvcv",
            "CvcvCvcvnoCvcv",
            "CvcvCvcvCvcvno",
            "CvccnoCvcvCvcv",
            "CvccCvcvnoCvcv",
            "CvccCvcvCvcvno",
            "CvcvnoCvccCvcv",
            "CvcvCvccnoCvcv",
            "CvcvCvccCvcvno",
            "CvcvnoCvcvCvcc",
            "CvcvCvcvnoCvcc",
            "CvcvCvcvCvccno",
            "CvccnoCvccCvcv",
            "CvccCvccnoCvcv",
            "CvccCvccCvcvno",
            "CvcvnoCvccCvcc",
            "CvcvCvccnoCvcc",
            "CvcvCvccCvccno",
            "CvccnoCvcvCvcc",
            "CvccCvcvnoCvcc",
            "CvccCvcvCvccno",
        ],
        "medium" => &["CvcnoCvc", "CvcCvcno"],
        "short" => &["Cvcn"],
        "basic" => &["aaanaaan", "aannaaan", "aaannaaa"],
        "pin" => &["nnnn"],
        _ => return None,
    })
}

/// The characters of a class.
fn class(letter: u8) -> &'static [u8] {
    match letter {
        b'V' => b"AEIOU",
        b'C' => b"BCDFGHJKLMNPQRSTVWXYZ",
        b'v' => b"aeiou",
        b'c' => b"bcdfghjklmnpqrstvwxyz",
        b'a' => b"AEIOUaeiouBCDFGHJKLMNPQRSTVWXYZbcdfghjklmnpqrstvwxyz",
        b'n' => b"0123456789",
        b'o' => b"@&%?,=[]_:-+*$#!'^~;()/.",
        _ => b"AEIOUaeiouBCDFGHJKLMNPQRSTVWXYZbcdfghjklmnpqrstvwxyz0123456789!@#$%^&*()",
    }
}

/// `derivePassword counter kind password user site`: the Master Password algorithm, by which the same answers
/// give the same password everywhere.
fn derive(context: &mut Context<'_>, values: &[Value]) -> Result<Value, String> {
    const SEED: &[u8] = b"com.lyndir.masterpassword";
    let counter = u32::try_from(int_of(&values[0])).map_err(|_| "the counter is no 32-bit number")?;
    let [kind, password, user, site] = [1, 2, 3, 4].map(|index| text_of(&values[index]));
    let Some(templates) = templates(kind) else {
        return Ok(Value::text(format!("cannot find password template {kind}")));
    };
    context.budget.charge(DERIVE_WORK)?;
    let salted = |text: &str| {
        let length = u32::try_from(text.len()).unwrap_or(u32::MAX);
        [SEED, &length.to_be_bytes(), text.as_bytes()].concat()
    };
    let mut key = [0; 64];
    let parameters = scrypt::Params::new(15, 8, 2).map_err(|error| error.to_string())?;
    scrypt::scrypt(password.as_bytes(), &salted(user), &parameters, &mut key)
        .map_err(|error| error.to_string())?;
    let mut mac = hmac::Hmac::<sha2::Sha256>::new_from_slice(&key).map_err(|error| error.to_string())?;
    mac.update(&salted(site));
    mac.update(&counter.to_be_bytes());
    let seed = mac.finalize().into_bytes();
    let template = templates[usize::from(seed[0]) % templates.len()];
    let characters = template.bytes().zip(&seed[1..]).map(|(letter, byte)| {
        let class = class(letter);
        char::from(class[usize::from(*byte) % class.len()])
    });
    Ok(Value::text(characters.collect::<String>()))
}
