//! Java archives: what a jar, war or ear is, and what it holds. Maven's own files come first, then the manifest, then
//! the name of the file (JAR File Specification; Apache Maven Archiver).

mod identity;

use super::{Room, Sink};
use crate::archive::{Budget, Reason, Stream, Visitor, visit};
use crate::fragment::{Content, Package};
use crate::model::{ComponentKind, Confidence, EvidenceKind};
use crate::path;
use crate::problems::Problems;
use identity::{Identity, Manifest, Pom};

pub(crate) const ROOM: Room =
    Room { name: "java", claims, parse, stream: Some(|path, _| Box::new(Large::new(path))), ..Room::EMPTY };

/// Archives within archives that are looked into: an ear has wars, those have jars, and shaded ones a few more.
const MAX_DEPTH: usize = 16;

/// Artifacts that are kept of one archive with everything inside it.
const MAX_ARTIFACTS: usize = 20_000;

/// Endings of archives that are jars by another name.
const ENDINGS: [&str; 11] = ["jar", "war", "ear", "par", "sar", "nar", "jpi", "hpi", "kar", "lpkg", "far"];

fn claims(_: &str, name: &str) -> bool {
    is_archive(name)
}

fn is_archive(name: &str) -> bool {
    name.rsplit_once('.').is_some_and(|(stem, ending)| {
        !stem.is_empty() && ENDINGS.iter().any(|known| known.eq_ignore_ascii_case(ending))
    })
}

fn parse(file: &str, bytes: &[u8], problems: &mut Problems) -> Option<Content> {
    let mut jar = Jar::new(path::split(file).1, String::new(), 0);
    let whole = visit(bytes, &mut jar, &mut Budget::default());
    finish(jar, whole, file, problems)
}

/// An archive that is too large to be held.
struct Large(Stream<Jar>);

impl Large {
    fn new(file: &str) -> Self {
        Self(Stream::new(Jar::new(path::split(file).1, String::new(), 0)))
    }
}

impl Sink for Large {
    fn take(&mut self, bytes: &[u8]) {
        self.0.take(bytes);
    }

    fn finish(self: Box<Self>, file: &str, problems: &mut Problems) -> Option<Content> {
        let (jar, whole) = self.0.finish();
        finish(jar, whole, file, problems)
    }
}

fn finish(mut jar: Jar, whole: Result<(), Reason>, file: &str, problems: &mut Problems) -> Option<Content> {
    if let Err(reason) = whole {
        problems
            .file(file, format!("the archive was not read to its end: {reason}; artifacts may be missing"));
        if jar.is_empty() {
            return None;
        }
    }
    for reason in std::mem::take(&mut jar.problems) {
        problems.file(file, reason);
    }
    Some(Content::Packages(jar.packages()))
}

/// One archive while it is read.
struct Jar {
    /// Its file name.
    name: String,
    /// Where it is in the archives around it; empty for the outermost.
    place: String,
    depth: usize,
    manifest: Option<Manifest>,
    poms: Vec<Pom>,
    /// What archives inside it are and hold, with positions that count within each list.
    inner: Vec<Vec<Package>>,
    kept: usize,
    problems: Vec<String>,
}

impl Visitor for Jar {
    fn wants(&self, name: &str) -> bool {
        name.eq_ignore_ascii_case("META-INF/MANIFEST.MF")
            || name.starts_with("META-INF/maven/")
                && (name.ends_with("/pom.properties") || name.ends_with("/pom.xml"))
            || is_archive(name)
    }

    fn member(&mut self, name: &str, bytes: &[u8], budget: &mut Budget) {
        if name.ends_with("/pom.properties") {
            self.poms.extend(Pom::from_properties(name, bytes));
        } else if name.ends_with("/pom.xml") {
            self.poms.extend(Pom::from_xml(name, bytes));
        } else if is_archive(name) {
            self.archive(name, bytes, budget);
        } else {
            self.manifest.get_or_insert_with(|| Manifest::read(bytes));
        }
    }

    fn unread(&mut self, name: &str, reason: Reason) {
        let place = self.place_of(name);
        self.problems.push(format!("{place:?} inside it was not read: {reason}"));
    }
}

impl Jar {
    fn new(name: &str, place: String, depth: usize) -> Self {
        Self {
            name: name.to_owned(),
            place,
            depth,
            manifest: None,
            poms: Vec::new(),
            inner: Vec::new(),
            kept: 0,
            problems: Vec::new(),
        }
    }

    fn is_empty(&self) -> bool {
        self.manifest.is_none() && self.poms.is_empty() && self.inner.is_empty()
    }

    /// Where a member is, from the outermost archive on.
    fn place_of(&self, name: &str) -> String {
        if self.place.is_empty() { name.to_owned() } else { format!("{}!/{name}", self.place) }
    }

    fn archive(&mut self, name: &str, bytes: &[u8], budget: &mut Budget) {
        if self.depth + 1 >= MAX_DEPTH {
            return self.unread(name, format!("it lies more than {MAX_DEPTH} archives deep"));
        }
        if self.kept >= MAX_ARTIFACTS {
            return self.unread(name, format!("{MAX_ARTIFACTS} artifacts were found around it already"));
        }
        let mut inner = Self::new(path::split(name).1, self.place_of(name), self.depth + 1);
        if let Err(reason) = visit(bytes, &mut inner, budget) {
            self.unread(name, reason);
            if inner.is_empty() {
                return;
            }
        }
        self.problems.append(&mut inner.problems);
        let packages = inner.packages();
        self.kept += packages.len();
        self.inner.push(packages);
    }

    /// The artifact that the archive is, what was shaded into it, and what the archives inside it are. Positions of
    /// containers count in the list that is returned.
    fn packages(self) -> Vec<Package> {
        let manifest = self.manifest.unwrap_or_default();
        // Agents carry stubs of the libraries they watch, which are none.
        let main = if manifest.is_agent_stub() {
            None
        } else {
            Some(identity::of(&self.name, &manifest, &self.poms))
        };
        let mut packages: Vec<Package> = Vec::new();
        let member = Some(self.place.clone()).filter(|place| !place.is_empty());
        if let Some(main) = &main {
            packages.push(package(main, member, manifest.licenses()));
        }
        let inside = main.is_some().then_some(0);
        for pom in self.poms.iter().filter(|pom| main.as_ref().is_none_or(|main| !main.is(pom))) {
            let identity = Identity::from_pom(pom);
            let member = if self.place.is_empty() {
                pom.member.clone()
            } else {
                format!("{}!/{}", self.place, pom.member)
            };
            packages.push(Package { inside, ..package(&identity, Some(member), Vec::new()) });
        }
        for inner in self.inner {
            let start = u32::try_from(packages.len()).unwrap_or(u32::MAX);
            packages.extend(inner.into_iter().map(|found| Package {
                inside: found.inside.map_or(inside, |position| Some(position.saturating_add(start))),
                ..found
            }));
        }
        packages
    }
}

fn package(identity: &Identity, member: Option<String>, licenses: Vec<String>) -> Package {
    let proof = match identity.confidence {
        Confidence::Low => EvidenceKind::FileName,
        Confidence::Medium | Confidence::High => EvidenceKind::Archive,
    };
    Package {
        member,
        licenses,
        confidence: identity.confidence,
        vendor: identity.vendor.clone(),
        ..Package::new(ComponentKind::Maven, identity.name(), &identity.version, proof)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::archive::tests::{Way, zip};
    use crate::limits::Limits;

    /// `name version confidence member inside` of each artifact, and the problems.
    fn read(file: &str, bytes: &[u8]) -> Vec<String> {
        let mut problems = Problems::new(9);
        let packages = parse(file, bytes, &mut problems).map(|content| content.packages().to_vec());
        let mut large = Box::new(Large::new(file));
        bytes.chunks(77).for_each(|piece| large.take(piece));
        let streamed = Box::new(*large).finish(file, &mut Problems::new(9));
        assert_eq!(streamed.map(|content| content.packages().to_vec()), packages, "held or streamed");
        let packages = packages.unwrap_or_default();
        let lines = packages.iter().map(|package| {
            let inside = package.inside.map(|inside| format!(" in {inside}")).unwrap_or_default();
            let member = package.member.as_ref().map(|member| format!(" @{member}")).unwrap_or_default();
            format!("{} {} {:?}{member}{inside}", package.name, package.version, package.confidence)
        });
        lines.chain(problems.finish(None).into_iter().map(|problem| problem.reason)).collect()
    }

    fn properties(group: &str, artifact: &str, version: &str) -> String {
        format!("#Generated by Maven\r\nversion={version}\r\ngroupId={group}\r\nartifactId={artifact}\r\n")
    }

    #[test]
    fn mavens_files_come_first_and_shaded_artifacts_count() {
        let (own, shaded) =
            (properties("org.example", "app", "1.2"), properties("com.google.guava", "guava", "31.1-jre"));
        let jar = zip(&[
            (
                "META-INF/MANIFEST.MF",
                b"Manifest-Version: 1.0\r\nImplementation-Version: 9\r\n\r\n",
                Way::Deflated,
            ),
            ("META-INF/maven/com.google.guava/guava/pom.properties", shaded.as_bytes(), Way::Deflated),
            ("META-INF/maven/org.example/app/pom.properties", own.as_bytes(), Way::Deflated),
        ]);
        assert_eq!(
            read("opt/app-1.2.jar", &jar),
            [
                "org.example:app 1.2 High",
                "com.google.guava:guava 31.1-jre High @META-INF/maven/com.google.guava/guava/pom.properties in 0",
            ]
        );
    }

    #[test]
    fn a_pom_without_properties_counts() {
        let pom = "<?xml version=\"1.0\"?><project xmlns=\"http://maven.apache.org/POM/4.0.0\"><parent><groupId>org.parent</groupId>\
                   <artifactId>p</artifactId><version>3</version></parent><artifactId>child</artifactId>\
                   <dependencies><dependency><groupId>x</groupId><artifactId>y</artifactId><version>1</version></dependency></dependencies></project>";
        let jar = zip(&[("META-INF/maven/org.parent/child/pom.xml", pom.as_bytes(), Way::Deflated)]);
        assert_eq!(read("child.jar", &jar), ["org.parent:child 3 High"]);
    }

    #[test]
    fn manifests_and_names_are_what_is_left() {
        let spring = b"Manifest-Version: 1.0\nImplementation-Title: spring-core\nAutomatic-Module-Name: spring.core\nImplementation-Version: 6.1.\n 3\n\n";
        assert_eq!(
            read("spring-core-6.1.3.jar", &zip(&[("META-INF/MANIFEST.MF", spring, Way::Stored)])),
            ["spring-core 6.1.3 Medium"]
        );
        let bundle = b"Bundle-SymbolicName: org.apache.commons.lang3;singleton:=true\nBundle-Version: 3.14.0\nBundle-License: https://www.apache.org/licenses/LICENSE-2.0.txt\n";
        let found = read("commons-lang3.jar", &zip(&[("META-INF/MANIFEST.MF", bundle, Way::Stored)]));
        assert_eq!(found, ["org.apache.commons:commons-lang3 3.14.0 Medium"]);
        let gradle = b"Implementation-Version: task ':jar' property 'archiveVersion'\nSpecification-Version: ${project.version}\n";
        assert_eq!(
            read("tool-2.0-beta.jar", &zip(&[("META-INF/MANIFEST.MF", gradle, Way::Stored)])),
            ["tool 2.0-beta Low"]
        );
        assert_eq!(read("odd.jar", &zip(&[("a/B.class", b"", Way::Stored)])), ["odd  Low"]);
        let plugin = b"Group-Id: org.jenkins-ci.plugins\nShort-Name: git\nPlugin-Version: 5.2.1\n";
        assert_eq!(
            read("git.hpi", &zip(&[("META-INF/MANIFEST.MF", plugin, Way::Stored)])),
            ["org.jenkins-ci.plugins:git 5.2.1 Medium"]
        );
        let agent = b"Weave-Classes: a.B\nImplementation-Title: stub\n";
        assert_eq!(read("stub-1.0.jar", &zip(&[("META-INF/MANIFEST.MF", agent, Way::Stored)])), [""; 0]);
    }

    #[test]
    fn archives_inside_archives_are_read() {
        let (lib, app) = (properties("org.lib", "lib", "1"), properties("org.app", "app", "2"));
        let lib = zip(&[("META-INF/maven/org.lib/lib/pom.properties", lib.as_bytes(), Way::Deflated)]);
        let boot = zip(&[
            ("BOOT-INF/lib/lib-1.jar", &lib, Way::Stored),
            ("META-INF/maven/org.app/app/pom.properties", app.as_bytes(), Way::Deflated),
        ]);
        let ear = zip(&[("app-2.war", &boot, Way::Deflated)]);
        assert_eq!(
            read("all.ear", &ear),
            [
                "all  Low",
                "org.app:app 2 High @app-2.war in 0",
                "org.lib:lib 1 High @app-2.war!/BOOT-INF/lib/lib-1.jar in 1"
            ]
        );
    }

    #[test]
    fn deep_nests_and_broken_archives_are_told() {
        let mut jar = zip(&[("x", b"", Way::Stored)]);
        for _ in 0..40 {
            jar = zip(&[("n.jar", &jar, Way::Stored)]);
        }
        let found = read("deep.jar", &jar);
        assert_eq!(found.len(), MAX_DEPTH + 1);
        assert!(found[MAX_DEPTH].ends_with("it lies more than 16 archives deep"), "{}", found[MAX_DEPTH]);
        assert!(read("torn.jar", b"PK\x03\x04").len() == 1);
        assert!(jar.len() < Limits::default().file_bytes as usize);
    }
}
