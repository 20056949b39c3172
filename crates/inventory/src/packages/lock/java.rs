//! `pom.xml` of Maven, as far as the file itself says the versions, and `gradle.lockfile` of Gradle.

use std::collections::BTreeMap;

use quick_xml::Reader;
use quick_xml::events::Event;

use super::{locked, text};
use crate::fragment::Package;
use crate::model::ComponentKind;

/// Properties that stand for properties are followed this far.
const MAX_DEPTH: usize = 8;

#[derive(Default)]
struct Dependency {
    group: String,
    artifact: String,
    version: String,
}

#[derive(Default)]
struct Pom {
    properties: BTreeMap<String, String>,
    managed: Vec<Dependency>,
    dependencies: Vec<Dependency>,
}

/// Versions that a parent or an imported list decides are not in the file, and their packages are left out.
pub(super) fn pom(bytes: &[u8]) -> Result<Vec<Package>, String> {
    let pom = Pom::read(bytes)?;
    let each = pom.dependencies.iter().filter_map(|dependency| {
        let managed = || {
            let same = pom
                .managed
                .iter()
                .find(|managed| managed.group == dependency.group && managed.artifact == dependency.artifact);
            same.map(|managed| managed.version.as_str())
        };
        let stated = Some(dependency.version.as_str()).filter(|version| !version.is_empty());
        let version = pom.filled(stated.or_else(managed)?)?;
        // A range is no version.
        if version.contains(['[', '(', ',']) {
            return None;
        }
        let name = format!("{}:{}", pom.filled(&dependency.group)?, pom.filled(&dependency.artifact)?);
        Some(locked(ComponentKind::Maven, name, version))
    });
    Ok(each.collect())
}

impl Pom {
    fn read(bytes: &[u8]) -> Result<Self, String> {
        let mut reader = Reader::from_reader(bytes);
        let mut pom = Self::default();
        let mut path: Vec<String> = Vec::new();
        let mut value = String::new();
        loop {
            match reader.read_event().map_err(|error| error.to_string())? {
                Event::Start(start) => {
                    path.push(String::from_utf8_lossy(start.local_name().as_ref()).into_owned());
                    if path.last().is_some_and(|name| name == "dependency") {
                        pom.list(&path).push(Dependency::default());
                    }
                    value.clear();
                }
                Event::Text(text) => value.push_str(&String::from_utf8_lossy(&text)),
                Event::End(_) => {
                    pom.take(&path, value.trim());
                    value.clear();
                    path.pop();
                }
                Event::Eof => return Ok(pom),
                _ => {}
            }
        }
    }

    fn list(&mut self, path: &[String]) -> &mut Vec<Dependency> {
        let is_managed = path.iter().any(|name| name == "dependencyManagement");
        if is_managed { &mut self.managed } else { &mut self.dependencies }
    }

    fn take(&mut self, path: &[String], value: &str) {
        let names: Vec<_> = path.iter().map(String::as_str).collect();
        match names.as_slice() {
            ["project", "properties", name] => {
                self.properties.insert((*name).to_owned(), value.to_owned());
            }
            ["project", name @ ("groupId" | "version")] => {
                self.properties.insert(format!("project.{name}"), value.to_owned());
            }
            ["project", "parent", name @ ("groupId" | "version")] => {
                self.properties.entry(format!("project.{name}")).or_insert_with(|| value.to_owned());
                self.properties.insert(format!("project.parent.{name}"), value.to_owned());
            }
            [.., "dependency", field] => {
                let Some(dependency) = self.list(path).last_mut() else { return };
                match *field {
                    "groupId" => value.clone_into(&mut dependency.group),
                    "artifactId" => value.clone_into(&mut dependency.artifact),
                    "version" => value.clone_into(&mut dependency.version),
                    _ => {}
                }
            }
            _ => {}
        }
    }

    /// The text with every `${property}` filled in; `None` when one is not in the file.
    fn filled(&self, text: &str) -> Option<String> {
        let mut text = text.to_owned();
        for _ in 0..MAX_DEPTH {
            let Some((before, rest)) = text.split_once("${") else {
                return (!text.is_empty()).then_some(text);
            };
            let (name, after) = rest.split_once('}')?;
            let value = self.properties.get(name)?;
            if value.len() > super::MAX_TEXT {
                return None;
            }
            text = format!("{before}{value}{after}");
        }
        None
    }
}

/// Lines `group:artifact:version=configurations`.
pub(super) fn gradle(bytes: &[u8]) -> Result<Vec<Package>, String> {
    let each = text(bytes)?.lines().filter_map(|line| {
        let (coordinates, _) = line.split_once('=').filter(|_| !line.starts_with('#'))?;
        let (name, version) = coordinates.rsplit_once(':')?;
        Some(locked(ComponentKind::Maven, name, version))
    });
    Ok(each.collect())
}

#[cfg(test)]
mod tests {
    use crate::packages::tests::check;

    #[test]
    fn versions_that_the_pom_itself_says() {
        check(
            "pom.xml",
            "<project><parent><groupId>org.p</groupId><version>9</version></parent><properties><v>1.${minor}</v><minor>2</minor></properties>\
             <dependencyManagement><dependencies><dependency><groupId>org.m</groupId><artifactId>m</artifactId><version>3</version></dependency></dependencies></dependencyManagement>\
             <dependencies><dependency><groupId>org.a</groupId><artifactId>a</artifactId><version>${v}</version></dependency>\
             <dependency><groupId>org.m</groupId><artifactId>m</artifactId></dependency>\
             <dependency><groupId>${project.groupId}</groupId><artifactId>own</artifactId><version>${project.version}</version></dependency>\
             <dependency><groupId>org.x</groupId><artifactId>x</artifactId><version>${elsewhere}</version></dependency>\
             <dependency><groupId>org.r</groupId><artifactId>r</artifactId><version>[1,2)</version></dependency></dependencies></project>",
            &["pkg:maven/org.a/a@1.2", "pkg:maven/org.m/m@3", "pkg:maven/org.p/own@9"],
        );
        check(
            "app/gradle.lockfile",
            "# This is a Gradle generated file\norg.a:a:1.0=compileClasspath,runtimeClasspath\nempty=annotationProcessor\n",
            &["pkg:maven/org.a/a@1.0"],
        );
    }
}
