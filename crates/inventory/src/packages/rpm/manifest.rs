//! The list that distroless images of Mariner and Azure Linux have in place of a database: what `rpm -qa` printed when
//! they were made, ten columns with tabs between them.

use super::super::lines;
use super::{full_version, source};
use crate::fragment::Package;
use crate::model::{ComponentKind, EvidenceKind};
use crate::problems::Problems;

/// The name of the file. `container-manifest-1` beside it says the same in other words.
pub(super) const NAME: &str = "container-manifest-2";

/// The packages of the list: name, version and release, time of installation, time of the build, vendor, epoch, size,
/// architecture, epoch as a number, file of the source package.
pub(super) fn packages(file: &str, bytes: &[u8], problems: &mut Problems) -> Vec<Package> {
    let mut packages = Vec::new();
    for (number, line) in lines(bytes).filter(|(_, line)| !line.trim_ascii().is_empty()) {
        let line = String::from_utf8_lossy(line);
        let columns: Vec<_> = line.split('\t').collect();
        let [name, version, _, _, vendor, epoch, _, architecture, _, source_rpm, ..] = columns[..] else {
            problems.line(file, number, "the line has not the ten columns of a package; it is skipped");
            continue;
        };
        if name.is_empty() || version.is_empty() {
            problems.line(file, number, "the line has no name or no version; it is skipped");
            continue;
        }
        let said = |text: &str| (!text.is_empty() && text != "(none)").then(|| text.to_owned());
        packages.push(Package {
            source: source(source_rpm),
            architecture: said(architecture),
            vendor: said(vendor),
            ..Package::new(
                ComponentKind::Rpm,
                name,
                full_version(epoch.parse().ok(), version),
                EvidenceKind::Database,
            )
        });
    }
    packages
}
