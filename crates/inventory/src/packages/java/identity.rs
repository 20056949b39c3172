//! What a Java archive says it is.

use quick_xml::Reader;
use quick_xml::events::Event;

use crate::model::Confidence;
use crate::packages::{lines, text};

/// Longest group, artifact or version that is kept; Maven Central refuses longer ones.
const MAX_VALUE: usize = 256;

/// Group, artifact and version, with how sure they are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Identity {
    group: String,
    artifact: String,
    pub(super) version: String,
    pub(super) vendor: Option<String>,
    pub(super) confidence: Confidence,
}

/// Coordinates that Maven wrote into an archive.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Pom {
    /// Which member says so.
    pub(super) member: String,
    group: String,
    artifact: String,
    version: String,
}

/// The main section of a manifest.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Manifest(Vec<(String, String)>);

impl Identity {
    /// `group:artifact`, or the artifact when the group is unknown.
    pub(super) fn name(&self) -> String {
        if self.group.is_empty() {
            self.artifact.clone()
        } else {
            format!("{}:{}", self.group, self.artifact)
        }
    }

    pub(super) fn from_pom(pom: &Pom) -> Self {
        Self {
            group: pom.group.clone(),
            artifact: pom.artifact.clone(),
            version: pom.version.clone(),
            vendor: None,
            confidence: Confidence::High,
        }
    }

    /// Whether the coordinates are the same.
    pub(super) fn is(&self, pom: &Pom) -> bool {
        self.group == pom.group && self.artifact == pom.artifact && self.version == pom.version
    }
}

/// What an archive of that file name is: the Maven coordinates that fit its name or are the only ones, else what the
/// manifest says, else its name.
pub(super) fn of(file: &str, manifest: &Manifest, poms: &[Pom]) -> Identity {
    let stem = file.rsplit_once('.').map_or(file, |(stem, _)| stem);
    let (artifact, version) = split_version(stem);
    let same_name = |pom: &&Pom| pom.artifact == artifact || pom.artifact == stem;
    let same_version = |pom: &&Pom| version.is_none_or(|version| version == pom.version);
    let own = poms.iter().filter(same_name).find(same_version).or_else(|| poms.iter().find(same_name));
    let only = || {
        let mut coordinates = poms.iter();
        let first = coordinates.next()?;
        let is_related = artifact.contains(&first.artifact) || first.artifact.contains(artifact);
        (is_related
            && coordinates.all(|other| (&other.group, &other.artifact) == (&first.group, &first.artifact)))
        .then_some(first)
    };
    if let Some(pom) = own.or_else(only) {
        return Identity { vendor: manifest.vendor(), ..Identity::from_pom(pom) };
    }
    let stated = manifest.version();
    let named = manifest.get("Short-Name").filter(|_| manifest.get("Plugin-Version").is_some());
    let artifact = named.unwrap_or(artifact);
    let group = manifest.group(artifact);
    let confidence = if group.is_empty() && stated.is_none() { Confidence::Low } else { Confidence::Medium };
    Identity {
        group,
        artifact: artifact.to_owned(),
        version: version.or(stated).unwrap_or_default().to_owned(),
        vendor: manifest.vendor(),
        confidence,
    }
}

/// `spring-core-6.1.3` is `spring-core` of version `6.1.3`: the version begins with the first digit after a dash.
fn split_version(stem: &str) -> (&str, Option<&str>) {
    let mut dashes = stem.match_indices('-').map(|(at, _)| at);
    let begins = |at: &usize| stem.as_bytes().get(at + 1).is_some_and(u8::is_ascii_digit);
    match dashes.find(begins) {
        Some(at) if at > 0 => (&stem[..at], Some(&stem[at + 1..])),
        _ => (stem, None),
    }
}

/// Whether a value is what it looks like, and not a placeholder that a build left unfilled.
fn is_filled(value: &str) -> bool {
    !value.is_empty() && value.len() <= MAX_VALUE && !value.contains(['$', '{', '\'', ' ', '@', '/'])
}

impl Manifest {
    /// Reads the main section: `Name: value`, lines of 72 bytes that go on after a space.
    pub(super) fn read(bytes: &[u8]) -> Self {
        let mut entries: Vec<(String, String)> = Vec::new();
        for (_, line) in lines(bytes) {
            if line.is_empty() {
                break;
            }
            if let (Some(rest), Some((_, value))) = (line.strip_prefix(b" "), entries.last_mut()) {
                value.push_str(&String::from_utf8_lossy(rest));
            } else if let Some(colon) = line.iter().position(|&byte| byte == b':') {
                entries.push((
                    text(&line[..colon]),
                    String::from_utf8_lossy(&line[colon + 1..]).trim_start().to_owned(),
                ));
            }
        }
        Self(entries)
    }

    fn get(&self, name: &str) -> Option<&str> {
        let found = self.0.iter().find(|(key, _)| key.eq_ignore_ascii_case(name));
        found.map(|(_, value)| value.trim()).filter(|value| !value.is_empty())
    }

    /// The classes are stand-ins for those of a library that an agent watches.
    pub(super) fn is_agent_stub(&self) -> bool {
        self.get("Weave-Classes").is_some()
    }

    fn version(&self) -> Option<&str> {
        const NAMES: [&str; 5] = [
            "Plugin-Version",
            "Implementation-Version",
            "Bundle-Version",
            "Specification-Version",
            "Version",
        ];
        NAMES
            .iter()
            .filter_map(|name| self.get(name))
            .find(|version| is_filled(version) && version.bytes().any(|byte| byte.is_ascii_digit()))
    }

    fn vendor(&self) -> Option<String> {
        let vendor = self.get("Implementation-Vendor").or_else(|| self.get("Bundle-Vendor"))?;
        (vendor.len() <= MAX_VALUE).then(|| vendor.to_owned())
    }

    /// Licences as the bundle names them, a name or an address each.
    pub(super) fn licenses(&self) -> Vec<String> {
        let stated = self.get("Bundle-License").unwrap_or_default();
        let each = stated
            .split(',')
            .map(|license| license.split(';').next().unwrap_or_default().trim().trim_matches('"'));
        each.filter(|license| !license.is_empty() && license.len() <= MAX_VALUE).map(str::to_owned).collect()
    }

    /// The group of `artifact`, as far as some entry has the form of one. The name of a bundle is often the group and
    /// the artifact's last word, `org.apache.commons.lang3` for `commons-lang3`.
    fn group(&self, artifact: &str) -> String {
        if let Some(group) = self.get("Group-Id").or_else(|| self.get("Implementation-Vendor-Id"))
            && is_filled(group)
        {
            return group.to_owned();
        }
        let name = self.get("Bundle-SymbolicName").unwrap_or_default();
        let name = name.split(';').next().unwrap_or_default().trim();
        if !is_filled(name) || !name.contains('.') {
            return String::new();
        }
        match name.rsplit_once('.') {
            Some((group, last)) if group.contains('.') && artifact.ends_with(last) => group.to_owned(),
            _ => name.to_owned(),
        }
    }
}

impl Pom {
    /// Reads `pom.properties`, which Maven writes.
    pub(super) fn from_properties(member: &str, bytes: &[u8]) -> Option<Self> {
        let mut pom = Self::empty(member);
        for (_, line) in lines(bytes) {
            let Some(equals) = line.iter().position(|&byte| byte == b'=') else { continue };
            let value = text(&line[equals + 1..]);
            match line[..equals].trim_ascii() {
                b"groupId" => pom.group = value,
                b"artifactId" => pom.artifact = value,
                b"version" => pom.version = value,
                _ => {}
            }
        }
        pom.filled()
    }

    /// Reads the project's own coordinates of a `pom.xml`; what it does not say is its parent's.
    pub(super) fn from_xml(member: &str, bytes: &[u8]) -> Option<Self> {
        let mut reader = Reader::from_reader(bytes);
        let (mut own, mut parent) = (Self::empty(member), Self::empty(member));
        let mut path: Vec<Vec<u8>> = Vec::new();
        loop {
            match reader.read_event() {
                Ok(Event::Start(tag)) => path.push(tag.local_name().as_ref().to_vec()),
                Ok(Event::End(_)) => {
                    path.pop();
                }
                Ok(Event::Text(content)) => {
                    let names: Vec<&[u8]> = path.iter().map(Vec::as_slice).collect();
                    let (pom, field) = match names.as_slice() {
                        [b"project", field] => (&mut own, *field),
                        [b"project", b"parent", field] => (&mut parent, *field),
                        _ => continue,
                    };
                    let value = text(&content);
                    match field {
                        b"groupId" => pom.group = value,
                        b"artifactId" => pom.artifact = value,
                        b"version" => pom.version = value,
                        _ => {}
                    }
                }
                Ok(Event::Eof) | Err(_) => break,
                Ok(_) => {}
            }
        }
        let or = |own: String, parent: String| if own.is_empty() { parent } else { own };
        own.group = or(own.group, parent.group);
        own.version = or(own.version, parent.version);
        own.filled()
    }

    fn empty(member: &str) -> Self {
        Self {
            member: member.to_owned(),
            group: String::new(),
            artifact: String::new(),
            version: String::new(),
        }
    }

    fn filled(self) -> Option<Self> {
        let is_whole = [&self.group, &self.artifact, &self.version].iter().all(|part| is_filled(part));
        is_whole.then_some(self)
    }
}
