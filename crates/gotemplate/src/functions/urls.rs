//! sprig: URLs taken apart and put together, as Go's `net/url` does it.

use crate::format::quote;
use crate::value::{Map, Value};

use super::Parameter::{Map as MapParameter, Text};
use super::text::copied;
use super::{Function, text_of};

pub(super) const FUNCTIONS: &[Function] = &[
    Function::new("urlParse", &[Text], |context, values| {
        let url = text_of(&values[0]);
        context.budget.charge(url.len().saturating_mul(2))?;
        let parsed = Url::parse(url);
        let parsed = parsed.map_err(|why| format!("unable to parse url: parse {}: {why}", quote(url)))?;
        Ok(parsed.into_value())
    }),
    Function::new("urlJoin", &[MapParameter], |context, values| {
        let joined = match &values[0] {
            Value::Map(map) => Url::from_map(map)?.join(),
            _ => String::new(),
        };
        copied(context, &joined)
    }),
];

/// A URL's parts, path and fragment without escapes.
#[derive(Debug, Default)]
struct Url {
    scheme: String,
    userinfo: String,
    host: String,
    path: String,
    opaque: String,
    query: String,
    fragment: String,
}

impl Url {
    fn parse(text: &str) -> Result<Self, String> {
        if text.contains(|c: char| c.is_ascii_control()) {
            return Err("net/url: invalid control character in URL".to_owned());
        }
        let mut url = Self::default();
        let (rest, fragment) = text.split_once('#').unwrap_or((text, ""));
        url.fragment = unescape(fragment)?;
        let (scheme, rest) = split_scheme(rest)?;
        url.scheme = scheme.to_ascii_lowercase();
        let (rest, query) = rest.split_once('?').unwrap_or((rest, ""));
        query.clone_into(&mut url.query);
        if !rest.starts_with('/') {
            if !scheme.is_empty() {
                rest.clone_into(&mut url.opaque);
                return Ok(url);
            }
            if rest.split('/').next().is_some_and(|segment| segment.contains(':')) {
                return Err("first path segment in URL cannot contain colon".to_owned());
            }
        }
        let path = match rest.strip_prefix("//").filter(|_| !scheme.is_empty() || !rest.starts_with("///")) {
            Some(rest) => {
                let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
                let (userinfo, host) = authority.rsplit_once('@').unwrap_or(("", authority));
                userinfo.clone_into(&mut url.userinfo);
                url.host = unescape(host)?;
                check_port(host)?;
                path
            }
            None => rest,
        };
        url.path = unescape(path)?;
        Ok(url)
    }

    /// The host without its port, and without the brackets of an IPv6 address.
    fn hostname(&self) -> &str {
        match self.host.strip_prefix('[') {
            Some(rest) => rest.split(']').next().unwrap_or(rest),
            None => self.host.split(':').next().unwrap_or(&self.host),
        }
    }

    fn into_value(self) -> Value {
        let hostname = self.hostname().to_owned();
        let parts = [
            ("scheme", self.scheme),
            ("userinfo", self.userinfo),
            ("host", self.host),
            ("hostname", hostname),
            ("path", self.path),
            ("opaque", self.opaque),
            ("query", self.query),
            ("fragment", self.fragment),
        ];
        Value::map(parts.into_iter().map(|(name, part)| (name, Value::text(part))))
    }

    fn from_map(map: &Map) -> Result<Self, String> {
        let part = |name: &str| match map.entries().get(name) {
            None => Ok(String::new()),
            Some(Value::Text(text)) => Ok(text.to_string()),
            Some(other) => Err(format!(
                "unable to parse {name} key, must be of type string, but {} found",
                other.kind_name()
            )),
        };
        Ok(Self {
            scheme: part("scheme")?,
            userinfo: part("userinfo")?,
            host: part("host")?,
            path: part("path")?,
            opaque: part("opaque")?,
            query: part("query")?,
            fragment: part("fragment")?,
        })
    }

    fn join(&self) -> String {
        let mut text = String::new();
        if !self.scheme.is_empty() {
            text.push_str(&self.scheme);
            text.push(':');
        }
        if self.opaque.is_empty() {
            let has_authority = !self.host.is_empty() || !self.userinfo.is_empty();
            if has_authority || (!self.scheme.is_empty() && !self.path.is_empty()) {
                text.push_str("//");
            }
            if !self.userinfo.is_empty() {
                text.push_str(&self.userinfo);
                text.push('@');
            }
            text.push_str(&escape(&self.host, "-_.~!$&'()*+,;=:[]<>\""));
            if !self.host.is_empty() && !self.path.is_empty() && !self.path.starts_with('/') {
                text.push('/');
            }
            if text.is_empty() && self.path.split('/').next().is_some_and(|segment| segment.contains(':')) {
                text.push_str("./");
            }
            text.push_str(&escape(&self.path, "-_.~$&+,/:;=@"));
        } else {
            text.push_str(&self.opaque);
        }
        if !self.query.is_empty() {
            text.push('?');
            text.push_str(&self.query);
        }
        if !self.fragment.is_empty() {
            text.push('#');
            text.push_str(&escape(&self.fragment, "-_.~$&+,/:;=?@!()*"));
        }
        text
    }
}

/// What stands before the colon, where that can be a scheme.
fn split_scheme(text: &str) -> Result<(&str, &str), String> {
    let length =
        text.bytes().take_while(|b| b.is_ascii_alphanumeric() || matches!(b, b'+' | b'-' | b'.')).count();
    match text[length..].strip_prefix(':') {
        Some(_) if length == 0 => Err("missing protocol scheme".to_owned()),
        Some(rest) if text.starts_with(|c: char| c.is_ascii_alphabetic()) => Ok((&text[..length], rest)),
        _ => Ok(("", text)),
    }
}

fn check_port(host: &str) -> Result<(), String> {
    let after = host.rfind(']').map_or(host, |end| &host[end + 1..]);
    let port = after.find(':').map_or("", |colon| &after[colon..]);
    if port.bytes().skip(1).all(|byte| byte.is_ascii_digit()) {
        return Ok(());
    }
    Err(format!("invalid port {} after host", quote(port)))
}

fn unescape(text: &str) -> Result<String, String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((first, after)) = rest.split_first() {
        rest = after;
        if *first != b'%' {
            bytes.push(*first);
            continue;
        }
        let digits = after.get(..2).and_then(|digits| std::str::from_utf8(digits).ok());
        let digits = digits.filter(|digits| digits.bytes().all(|byte| byte.is_ascii_hexdigit()));
        let Some(byte) = digits.and_then(|digits| u8::from_str_radix(digits, 16).ok()) else {
            let end = after.len().min(2);
            let shown = String::from_utf8_lossy(&after[..end]);
            return Err(format!("invalid URL escape {}", quote(&format!("%{shown}"))));
        };
        bytes.push(byte);
        rest = &after[2..];
    }
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// Escapes all but letters, digits and the characters that are `plain`.
fn escape(text: &str, plain: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || plain.as_bytes().contains(&byte) {
            escaped.push(char::from(byte));
        } else {
            escaped.push_str(&format!("%{byte:02X}"));
        }
    }
    escaped
}
