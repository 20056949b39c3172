//! sprig: slash-separated paths and URLs' last parts, as Go's `path` treats them.

use crate::value::Value;

use super::Parameter::Text;
use super::{Function, text_of};

pub(super) const FUNCTIONS: &[Function] = &[
    Function::new("base", &[Text], |_, values| Ok(Value::text(base(text_of(&values[0]))))),
    Function::new("osBase", &[Text], |_, values| Ok(Value::text(base(text_of(&values[0]))))),
    Function::new("dir", &[Text], |_, values| Ok(Value::text(dir(text_of(&values[0]))))),
    Function::new("osDir", &[Text], |_, values| Ok(Value::text(dir(text_of(&values[0]))))),
    Function::new("clean", &[Text], |_, values| Ok(Value::text(clean(text_of(&values[0]))))),
    Function::new("osClean", &[Text], |_, values| Ok(Value::text(clean(text_of(&values[0]))))),
    Function::new("ext", &[Text], |_, values| Ok(Value::text(ext(text_of(&values[0]))))),
    Function::new("osExt", &[Text], |_, values| Ok(Value::text(ext(text_of(&values[0]))))),
    Function::new("isAbs", &[Text], |_, values| Ok(Value::Bool(text_of(&values[0]).starts_with('/')))),
    Function::new("osIsAbs", &[Text], |_, values| Ok(Value::Bool(text_of(&values[0]).starts_with('/')))),
];

fn base(path: &str) -> &str {
    if path.is_empty() {
        return ".";
    }
    let trimmed = path.trim_end_matches('/');
    if trimmed.is_empty() { "/" } else { trimmed.rsplit('/').next().unwrap_or(trimmed) }
}

fn dir(path: &str) -> String {
    match path.rfind('/') {
        Some(position) => clean(&path[..=position]),
        None => ".".to_owned(),
    }
}

fn ext(path: &str) -> &str {
    let last = path.rsplit('/').next().unwrap_or(path);
    last.rfind('.').map_or("", |position| &last[position..])
}

fn clean(path: &str) -> String {
    let rooted = path.starts_with('/');
    let mut parts: Vec<&str> = Vec::new();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." if parts.last().is_some_and(|last| *last != "..") => {
                parts.pop();
            }
            ".." if rooted => {}
            part => parts.push(part),
        }
    }
    match (rooted, parts.is_empty()) {
        (true, _) => format!("/{}", parts.join("/")),
        (false, true) => ".".to_owned(),
        (false, false) => parts.join("/"),
    }
}
