//! Where a component is looked up: the ecosystem, and the name and version it has there.

use std::borrow::Cow;

use tidewaiter_inventory::{Component, ComponentKind, Distro};

use super::redhat;
use crate::database::Database;
use crate::database::layout::{EcosystemRow, KeyRow};
use crate::distro::{self, Family, Release};
use crate::naming;
use crate::versions::Scheme;

/// The records that components of a kind are judged by.
#[derive(Debug, Clone)]
pub(super) struct Scope<'a> {
    /// What the records are of, for people: `Debian:12`, `Red Hat:enterprise_linux:9`.
    pub(super) label: Cow<'a, str>,
    /// The ecosystems, by row and name. Never empty.
    pub(super) rows: Vec<(EcosystemRow, &'a str)>,
    pub(super) scheme: Scheme,
    /// Where what is not fixed yet is told, by source package, for releases that are rebuilt from another.
    pub(super) disclosures: Vec<(EcosystemRow, &'a str)>,
    family: Option<&'static Family>,
}

/// What a component is looked up as.
#[derive(Debug)]
pub(super) struct Target<'s, 'a, 'c> {
    pub(super) scope: &'s Scope<'a>,
    pub(super) package: Cow<'c, str>,
    pub(super) version: &'c str,
    /// Package and version are those of the source package.
    pub(super) is_source: bool,
    /// The version has no epoch because its source does not say it, so none is compared.
    pub(super) ignores_epoch: bool,
    /// The source package under the name that disclosures know it by.
    pub(super) disclosed: Option<String>,
}

/// Why a component cannot be looked up.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Missing {
    /// The image names no operating system.
    Distro,
    /// No advisories are known for this operating system.
    KnownDistro,
    /// The package is of another package manager than the operating system's.
    PackageManager,
    /// The database holds no records of this ecosystem.
    Coverage(String),
    /// Nothing is known about advisories for packages of this kind.
    Order,
    /// A Java archive says no group, and the name of an artifact alone is not one.
    Group,
    /// The package was not made by the distribution but by this one.
    OwnPackage(String),
}

/// What else than its kind decides the scope of a component: whether it came from Ubuntu Pro, or its purl's type.
pub(super) fn variant(component: &Component) -> Option<&str> {
    match component.kind {
        ComponentKind::Deb if component.version.contains("esm") => Some("esm"),
        ComponentKind::Other => component.purl.strip_prefix("pkg:")?.split('/').next(),
        _ => None,
    }
}

impl<'a> Scope<'a> {
    /// Finds the records that a component, and all others of its kind in the same system, are judged by.
    pub(super) fn of(
        database: &'a Database,
        distro: Option<&Distro>,
        component: &Component,
    ) -> Result<Self, Missing> {
        let ecosystem = match component.kind {
            ComponentKind::Deb | ComponentKind::Apk | ComponentKind::Rpm => {
                return Self::of_system(database, distro, component);
            }
            // What a package of the system owns is judged with that package.
            ComponentKind::Generic if component.owner.is_some() || component.cpes.is_empty() => None,
            ComponentKind::Generic => Some(naming::CPE),
            ComponentKind::Other => variant(component).and_then(naming::ecosystem_of_type),
            kind => naming::ecosystem_of_type(kind.purl_type()),
        };
        let ecosystem = ecosystem.ok_or(Missing::Order)?;
        Self::of_rows(Cow::Borrowed(ecosystem), exact(database, ecosystem), None)
    }

    fn of_system(
        database: &'a Database,
        distro: Option<&Distro>,
        component: &Component,
    ) -> Result<Self, Missing> {
        let release = distro::release(distro.ok_or(Missing::Distro)?);
        let (label, rows) = rows(database, &release, component).ok_or(Missing::KnownDistro)?;
        let family = distro::family(&label);
        if family.is_none_or(|family| family.packages != component.kind) {
            return Err(Missing::PackageManager);
        }
        let mut scope = Self::of_rows(Cow::Owned(label), rows, family)?;
        scope.disclosures = match scope.label.split_once(':') {
            Some(("Red Hat", _)) => scope.rows.clone(),
            Some(("AlmaLinux" | "Rocky Linux", release)) => {
                parts(database, &format!("Red Hat:enterprise_linux:{release}"))
            }
            _ => Vec::new(),
        };
        Ok(scope)
    }

    fn of_rows(
        label: Cow<'a, str>,
        rows: Vec<(EcosystemRow, &'a str)>,
        family: Option<&'static Family>,
    ) -> Result<Self, Missing> {
        match (rows.is_empty(), Scheme::of_ecosystem(&label)) {
            (false, Some(scheme)) => Ok(Self { label, rows, scheme, family, disclosures: Vec::new() }),
            _ => Err(Missing::Coverage(label.into_owned())),
        }
    }

    /// The name and version of a component in these records.
    pub(super) fn target<'s, 'c>(&'s self, component: &'c Component) -> Result<Target<'s, 'a, 'c>, Missing> {
        let by_source = self.family.is_some_and(|family| family.by_source);
        let source = component.source.as_ref().filter(|_| by_source);
        let (name, version) = match source {
            Some(source) => (source.name.as_str(), source.version.as_str()),
            None => (component.name.as_str(), component.version.as_str()),
        };
        if let (Some(family), Some(vendor)) = (self.family, &component.vendor) {
            let lower = vendor.to_lowercase();
            if !family.vendors.is_empty() && !family.vendors.iter().any(|known| lower.contains(known)) {
                return Err(Missing::OwnPackage(vendor.clone()));
            }
        }
        if self.scheme == Scheme::Maven && !name.contains(':') {
            return Err(Missing::Group);
        }
        let package = if self.scheme == Scheme::Generic {
            // A rule that knows a program states its name in the dictionary.
            Cow::Owned(
                component.cpes.iter().find_map(|cpe| naming::product_of_cpe(cpe)).ok_or(Missing::Order)?,
            )
        } else {
            naming::package_name(self.scheme, name)
        };
        Ok(Target {
            scope: self,
            package,
            version,
            is_source: source.is_some(),
            ignores_epoch: source.is_some() && self.scheme == Scheme::Rpm && !redhat::has_epoch(version),
            disclosed: (!self.disclosures.is_empty()).then(|| {
                let source = component.source.as_ref().map_or(&component.name, |source| &source.name);
                naming::source_key(source)
            }),
        })
    }
}

impl<'a> Target<'_, 'a, '_> {
    /// Everything that a judgement reads of the package: its records, those of its source where they are told apart, and
    /// those of later releases.
    pub(super) fn keys(&self, database: &'a Database) -> Vec<(&'a str, KeyRow)> {
        let own = self.scope.rows.iter().map(|place| (*place, self.package.as_ref()));
        let source = self.disclosed.as_deref();
        let disclosed = self.scope.disclosures.iter().filter_map(|place| Some((*place, source?)));
        let newer =
            newer(database, &self.scope.label).into_iter().map(|place| (place, self.package.as_ref()));
        let all = own.chain(disclosed).chain(newer);
        all.filter_map(|((row, ecosystem), package)| Some((ecosystem, database.key(&row, package)?)))
            .collect()
    }
}

fn exact<'a>(database: &'a Database, ecosystem: &str) -> Vec<(EcosystemRow, &'a str)> {
    let row = database.ecosystem(ecosystem);
    row.and_then(|row| Some((row, database.string(row.name)?))).into_iter().collect()
}

/// What a release is called, and the ecosystems that hold its records; `None` when the system is not known.
fn rows<'a>(
    database: &'a Database,
    release: &Release,
    component: &Component,
) -> Option<(String, Vec<(EcosystemRow, &'a str)>)> {
    match release {
        Release::Exact(name) if name.starts_with("Ubuntu:") => {
            let names = distro::ubuntu(name, &component.version);
            let found = names.into_iter().map(|name| (exact(database, &name), name));
            let (rows, name) =
                found.into_iter().find(|(rows, _)| !rows.is_empty()).unwrap_or((Vec::new(), name.clone()));
            Some((name, rows))
        }
        Release::Exact(name) => Some((name.clone(), exact(database, name))),
        Release::Parts(name) => Some((name.clone(), parts(database, name))),
        Release::Suse(pack) => {
            let products =
                database.ecosystems_beginning("SUSE:Linux Enterprise ").filter(|(_, ecosystem)| {
                    let product = ecosystem.strip_suffix(pack.as_str()).unwrap_or_default().trim_end();
                    product.ends_with("Server") || product.contains("Module for")
                });
            Some((format!("SUSE:Linux Enterprise Server {pack}"), products.collect()))
        }
        Release::Like(other) => rows(database, other, component),
        Release::Rolling(family) => match newest(database, family) {
            Some(name) => Some((name.to_owned(), exact(database, name))),
            None => Some(((*family).to_owned(), Vec::new())),
        },
        Release::Unknown => None,
    }
}

/// An ecosystem and all parts of it.
fn parts<'a>(database: &'a Database, name: &str) -> Vec<(EcosystemRow, &'a str)> {
    let is_part = |ecosystem: &str| matches!(ecosystem[name.len()..].bytes().next(), None | Some(b':'));
    database.ecosystems_beginning(name).filter(|(_, ecosystem)| is_part(ecosystem)).collect()
}

/// The releases of Debian after this one, which packages may have come from.
pub(super) fn newer<'a>(database: &'a Database, label: &str) -> Vec<(EcosystemRow, &'a str)> {
    let number = |label: &str| label.strip_prefix("Debian:").and_then(|release| release.parse::<f32>().ok());
    let Some(this) = number(label) else { return Vec::new() };
    let releases = database.ecosystems_beginning("Debian:");
    releases.filter(|(_, name)| number(name).is_some_and(|other| other > this)).collect()
}

/// The newest release of a family that the database covers.
pub(super) fn newest<'a>(database: &'a Database, family: &str) -> Option<&'a str> {
    let number = |name: &str| {
        let release = name.split_once(':').map_or("", |(_, release)| release).trim_start_matches('v');
        release.split('.').map(|part| part.parse::<u32>().unwrap_or(0)).collect::<Vec<_>>()
    };
    let names = database.ecosystems().iter().map(|ecosystem| ecosystem.name.as_str());
    names.filter(|name| name.split(':').next() == Some(family)).max_by_key(|name| number(name))
}
