//! SBOMs that lie in images: those that Bitnami's images have per component, those that Wolfi's and Chainguard's have per
//! package, and those of Python distributions (PEP 770). What they name is evidence; a package that is found in another
//! way too is one component with both.

use super::Room;
use crate::fragment::{Content, Package};
use crate::model::{Component, ComponentKind, EvidenceKind};
use crate::path;
use crate::problems::Problems;
use crate::sbom;

pub(crate) const ROOM: Room = Room { name: "sbom", claims, parse, ..Room::EMPTY };

fn claims(directory: &str, name: &str) -> bool {
    let is_bitnami = || name.starts_with(".spdx-") && name.ends_with(".spdx");
    let is_wolfi = || name.ends_with(".spdx.json") && path::ends_with(directory, "var/lib/db/sbom");
    let is_python = || {
        let (parent, last) = path::split(directory);
        last == "sboms"
            && parent.ends_with(".dist-info")
            && (name.ends_with(".json") || name.ends_with(".xml"))
    };
    is_bitnami() || is_wolfi() || is_python()
}

fn parse(file: &str, bytes: &[u8], problems: &mut Problems) -> Option<Content> {
    match sbom::read(bytes) {
        Ok(document) => {
            let packages: Vec<_> = document.inventory.components.into_iter().map(package).collect();
            (!packages.is_empty()).then_some(Content::Packages(packages))
        }
        Err(error) => {
            problems.file(file, format!("{error}; what it names is not listed"));
            None
        }
    }
}

/// The package as its own evidence would give it: the package URL is stated only where the parts do not make it, so that
/// both ways lead to the same component.
fn package(component: Component) -> Package {
    let is_special = matches!(component.kind, ComponentKind::Other | ComponentKind::Generic);
    Package {
        purl: is_special.then_some(component.purl),
        source: component.source,
        architecture: component.architecture,
        licenses: component.licenses,
        cpes: component.cpes,
        ..Package::new(component.kind, component.name, component.version, EvidenceKind::Sbom)
    }
}

#[cfg(test)]
mod tests {
    use crate::packages::tests::check;

    #[test]
    fn packages_of_spdx_documents() {
        let document = r#"{"spdxVersion": "SPDX-2.3", "name": "redis", "packages": [
            {"SPDXID": "SPDXRef-1", "name": "redis", "versionInfo": "7.2.4", "licenseConcluded": "BSD-3-Clause",
             "externalRefs": [{"referenceCategory": "PACKAGE-MANAGER", "referenceType": "purl", "referenceLocator": "pkg:bitnami/redis@7.2.4?arch=amd64"}]}]}"#;
        let expect = ["pkg:bitnami/redis@7.2.4?arch=amd64 BSD-3-Clause"];
        check("opt/bitnami/redis/.spdx-redis.spdx", document, &expect);
        check("var/lib/db/sbom/redis-7.2.4-r0.spdx.json", document, &expect);
        check("usr/lib/python3/site-packages/a-1.dist-info/sboms/a.json", document, &expect);
        check("srv/a.spdx.json", document, &[]);
    }
}
