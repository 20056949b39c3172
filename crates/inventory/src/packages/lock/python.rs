//! Lock files of Python: `requirements.txt` of pip, `poetry.lock`, `uv.lock`, `pdm.lock`, `pylock.toml` (PEP 751),
//! `Pipfile.lock`.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::{json, locked, text, toml};
use crate::fragment::{Package, Requirement};
use crate::model::ComponentKind;
use crate::packages::python::normalise;

pub(super) fn is_requirements(name: &str) -> bool {
    name.starts_with("requirements") && name.ends_with(".txt")
}

pub(super) fn is_pylock(name: &str) -> bool {
    name == "pylock.toml" || name.starts_with("pylock.") && name.ends_with(".toml")
}

/// Only exact versions are known to be installed.
pub(super) fn requirements(bytes: &[u8]) -> Result<Vec<Package>, String> {
    let joined = text(bytes)?.replace("\\\r\n", " ").replace("\\\n", " ");
    let each = joined.lines().filter_map(|line| {
        let line = line.split(" #").next().unwrap_or(line).trim();
        let line = line.split(';').next().unwrap_or(line);
        let (name, version) = line.split_once("==").filter(|_| !line.starts_with(['#', '-']))?;
        let name = name.split('[').next().unwrap_or(name).trim();
        let version = version.trim_start_matches('=').split_whitespace().next()?;
        let is_exact = !version.contains([',', '*'])
            && !name.contains(|c: char| c.is_whitespace() || "<>~!,".contains(c));
        is_exact.then(|| locked(ComponentKind::Pypi, normalise(name), version))
    });
    Ok(each.collect())
}

#[derive(Deserialize)]
struct Lock {
    #[serde(default, alias = "packages")]
    package: Vec<Entry>,
}

#[derive(Deserialize)]
struct Entry {
    name: String,
    version: Option<String>,
    source: Option<::toml::Value>,
    #[serde(default)]
    directory: Option<::toml::Value>,
    dependencies: Option<::toml::Value>,
}

pub(super) fn packages(bytes: &[u8]) -> Result<Vec<Package>, String> {
    let lock: Lock = toml(bytes)?;
    let each = lock.package.into_iter().filter(|entry| !entry.is_own()).filter_map(|entry| {
        let requires = entry.dependencies.iter().flat_map(names);
        let requires = requires.map(|name| Requirement { name: normalise(&name), version: None }).collect();
        Some(Package { requires, ..locked(ComponentKind::Pypi, normalise(&entry.name), entry.version?) })
    });
    Ok(each.collect())
}

impl Entry {
    /// Whether it is a part of the project.
    fn is_own(&self) -> bool {
        let own = ["virtual", "editable", "directory"];
        self.directory.is_some()
            || self.source.as_ref().is_some_and(|source| own.iter().any(|key| source.get(key).is_some()))
    }
}

/// Names of what is needed: keys of a table (Poetry), `name` of tables (uv, PEP 751), or requirements as pip has
/// them (PDM).
fn names(value: &::toml::Value) -> Vec<String> {
    match value {
        ::toml::Value::Table(table) => table.keys().cloned().collect(),
        ::toml::Value::Array(list) => {
            let name = |one: &::toml::Value| match one {
                ::toml::Value::Table(table) => Some(table.get("name")?.as_str()?.to_owned()),
                ::toml::Value::String(text) => {
                    let end = text.find(|c: char| !c.is_ascii_alphanumeric() && !"-_.".contains(c));
                    Some(text.get(..end.unwrap_or(text.len()))?.to_owned())
                }
                _ => None,
            };
            list.iter().filter_map(name).collect()
        }
        _ => Vec::new(),
    }
}

#[derive(Deserialize)]
struct Pipfile {
    #[serde(default)]
    default: BTreeMap<String, Pinned>,
    #[serde(default)]
    develop: BTreeMap<String, Pinned>,
}

#[derive(Deserialize)]
struct Pinned {
    version: Option<String>,
}

pub(super) fn pipfile(bytes: &[u8]) -> Result<Vec<Package>, String> {
    let lock: Pipfile = json(bytes)?;
    let each = lock.default.into_iter().chain(lock.develop).filter_map(|(name, pinned)| {
        let version = pinned.version?;
        Some(locked(ComponentKind::Pypi, normalise(&name), version.trim_start_matches('=')))
    });
    Ok(each.collect())
}

#[cfg(test)]
mod tests {
    use crate::packages::tests::check;

    #[test]
    fn requirements_that_are_exact() {
        check(
            "requirements-dev.txt",
            "# made by pip-compile\n-r other.txt\nDjango[argon2]==4.2.1 ; python_version >= '3.8' \\\n    --hash=sha256:00\nrequests>=2\nsix == 1.16.0  # via x\na==1.*\nb===2.0\nc<3,==2\n",
            &["pkg:pypi/django@4.2.1", "pkg:pypi/six@1.16.0", "pkg:pypi/b@2.0"],
        );
    }

    #[test]
    fn locks_in_toml() {
        check(
            "poetry.lock",
            "[[package]]\nname = \"Jinja2\"\nversion = \"3.1.2\"\n[package.dependencies]\nMarkupSafe = \">=2.0\"\n[[package]]\nname = \"markupsafe\"\nversion = \"2.1.1\"\n[metadata]\nlock-version = \"2.0\"\n",
            &["pkg:pypi/jinja2@3.1.2", "pkg:pypi/markupsafe@2.1.1"],
        );
        check(
            "uv.lock",
            "version = 1\n[[package]]\nname = \"app\"\nversion = \"0.1\"\nsource = { virtual = \".\" }\n[[package]]\nname = \"six\"\nversion = \"1.16.0\"\nsource = { registry = \"https://index.example/simple\" }\ndependencies = [{ name = \"a\" }]\n",
            &["pkg:pypi/six@1.16.0"],
        );
        check(
            "pylock.toml",
            "lock-version = \"1.0\"\n[[packages]]\nname = \"attrs\"\nversion = \"25.1.0\"\n[[packages]]\nname = \"own\"\ndirectory = { path = \".\" }\n",
            &["pkg:pypi/attrs@25.1.0"],
        );
        check(
            "Pipfile.lock",
            r#"{"_meta": {}, "default": {"Six": {"version": "==1.16.0"}, "own": {"path": "."}}, "develop": {"pytest": {"version": "==7.0"}}}"#,
            &["pkg:pypi/six@1.16.0", "pkg:pypi/pytest@7.0"],
        );
    }
}
