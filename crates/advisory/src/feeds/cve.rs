//! CVE records (JSON 5), as the CVE programme publishes them: what the numbering authority says, and what CISA adds to it
//! (its *vulnrichment*): descriptions, vectors, weaknesses, references, and packages where they are named exactly.
//!
//! Names of vendors and products are no names of packages; only package URLs and the names in a known collection are
//! believed, and CPE names for what is known by them ([`naming::CPE`]).

use serde::Deserialize;

use super::record::{Affected, Record, Reference};
use crate::naming;
use crate::range::{BEGINNING, EventKind};

#[derive(Deserialize)]
struct Cve {
    #[serde(rename = "cveMetadata")]
    metadata: Metadata,
    #[serde(default)]
    containers: Containers,
}

#[derive(Deserialize)]
struct Metadata {
    #[serde(rename = "cveId")]
    id: String,
    #[serde(default)]
    state: String,
    #[serde(rename = "datePublished")]
    published: Option<String>,
    #[serde(rename = "dateUpdated")]
    updated: Option<String>,
}

#[derive(Default, Deserialize)]
struct Containers {
    #[serde(default)]
    cna: Container,
    #[serde(default)]
    adp: Vec<Container>,
}

#[derive(Default, Deserialize)]
struct Container {
    #[serde(default)]
    title: Option<String>,
    #[serde(default)]
    descriptions: Vec<Description>,
    #[serde(default)]
    affected: Vec<Product>,
    #[serde(default)]
    metrics: Vec<Metric>,
    #[serde(rename = "problemTypes", default)]
    problems: Vec<Problem>,
    #[serde(default)]
    references: Vec<Link>,
}

#[derive(Deserialize)]
struct Description {
    #[serde(default)]
    lang: String,
    #[serde(default)]
    value: String,
}

#[derive(Deserialize)]
struct Product {
    #[serde(rename = "packageURL")]
    purl: Option<String>,
    #[serde(rename = "collectionURL")]
    collection: Option<String>,
    #[serde(rename = "packageName")]
    package: Option<String>,
    #[serde(default)]
    cpes: Vec<String>,
    #[serde(default)]
    versions: Vec<Version>,
}

#[derive(Deserialize)]
struct Version {
    #[serde(default)]
    version: String,
    #[serde(default)]
    status: String,
    #[serde(rename = "lessThan")]
    less_than: Option<String>,
    #[serde(rename = "lessThanOrEqual")]
    up_to: Option<String>,
    #[serde(default)]
    changes: Vec<Change>,
}

#[derive(Deserialize)]
struct Change {
    at: String,
    status: String,
}

#[derive(Deserialize)]
struct Metric {
    #[serde(rename = "cvssV4_0")]
    v4: Option<Vector>,
    #[serde(rename = "cvssV3_1")]
    v31: Option<Vector>,
    #[serde(rename = "cvssV3_0")]
    v30: Option<Vector>,
    #[serde(rename = "cvssV2_0")]
    v2: Option<Vector>,
}

#[derive(Deserialize)]
struct Vector {
    #[serde(rename = "vectorString", default)]
    vector: String,
}

#[derive(Deserialize)]
struct Problem {
    #[serde(default)]
    descriptions: Vec<ProblemDescription>,
}

#[derive(Deserialize)]
struct ProblemDescription {
    #[serde(rename = "cweId")]
    weakness: Option<String>,
}

#[derive(Deserialize)]
struct Link {
    url: String,
}

/// Collections whose names are those of an ecosystem.
const COLLECTIONS: [(&str, &str); 9] = [
    ("pypi.org", "PyPI"),
    ("pypi.python.org", "PyPI"),
    ("registry.npmjs.org", "npm"),
    ("npmjs.com", "npm"),
    ("maven", "Maven"),
    ("rubygems.org", "RubyGems"),
    ("packagist.org", "Packagist"),
    ("crates.io", "crates.io"),
    ("nuget.org", "NuGet"),
];

/// Reads a record.
pub(super) fn parse(json: &[u8]) -> Result<Record, serde_json::Error> {
    let Cve { metadata, containers } = serde_json::from_slice(json)?;
    let all = || std::iter::once(&containers.cna).chain(&containers.adp);
    let english = |container: &Container| {
        let description = container.descriptions.iter().find(|one| one.lang.starts_with("en"));
        description.map(|one| one.value.clone())
    };
    let metrics = all().flat_map(|container| &container.metrics);
    let vectors = metrics.flat_map(|metric| [&metric.v4, &metric.v31, &metric.v30, &metric.v2]).flatten();
    let problems = all().flat_map(|container| &container.problems).flat_map(|problem| &problem.descriptions);
    let products = all().flat_map(|container| &container.affected);
    Ok(Record {
        modified: metadata.updated.as_deref().and_then(|time| time.parse().ok()),
        published: metadata.published.as_deref().and_then(|time| time.parse().ok()),
        withdrawn: metadata.state == "REJECTED",
        summary: containers.cna.title.clone().unwrap_or_default(),
        details: all().find_map(english).unwrap_or_default(),
        references: all()
            .flat_map(|container| &container.references)
            .map(|link| Reference { kind: "WEB".to_owned(), url: link.url.clone() })
            .collect(),
        vectors: vectors.map(|vector| vector.vector.clone()).filter(|vector| !vector.is_empty()).collect(),
        weaknesses: problems.filter_map(|problem| problem.weakness.clone()).collect(),
        affected: products.flat_map(Product::affected).collect(),
        id: metadata.id,
        ..Record::default()
    })
}

impl Product {
    fn affected(&self) -> Vec<Affected> {
        let of_purl = self.purl.as_deref().and_then(naming::package_of_purl);
        let collection = self.collection.as_deref().and_then(|url| {
            let (_, ecosystem) = COLLECTIONS.iter().find(|(host, _)| url.contains(host))?;
            Some(((*ecosystem).to_owned(), self.package.clone()?))
        });
        let cpes =
            self.cpes.iter().filter_map(|cpe| Some((naming::CPE.to_owned(), naming::product_of_cpe(cpe)?)));
        let mut packages: Vec<(String, String)> = of_purl.or(collection).into_iter().chain(cpes).collect();
        packages.sort();
        packages.dedup();
        let named = packages.into_iter().filter_map(|(ecosystem, name)| Affected::new(ecosystem, name));
        named.filter_map(|affected| self.with_versions(affected)).collect()
    }

    fn with_versions(&self, mut affected: Affected) -> Option<Affected> {
        for version in self.versions.iter().filter(|version| version.status == "affected") {
            let fixed =
                version.changes.iter().find(|change| change.status == "unaffected").map(|change| &change.at);
            let ends = [
                (EventKind::Fixed, version.less_than.as_ref()),
                (EventKind::LastAffected, version.up_to.as_ref()),
                (EventKind::Fixed, fixed),
            ];
            let Some((kind, end)) = ends.into_iter().find_map(|(kind, end)| Some((kind, end?))) else {
                affected.versions.push(version.version.clone());
                continue;
            };
            let start = match version.version.as_str() {
                "" | "0" | "*" | "n/a" | "unspecified" => BEGINNING.to_owned(),
                start => start.to_owned(),
            };
            let mut events = vec![(EventKind::Introduced, start)];
            events.extend((end != "*").then(|| (kind, end.clone())));
            affected.ranges.push(events);
        }
        let texts =
            affected.versions.iter().chain(affected.ranges.iter().flatten().map(|(_, version)| version));
        let is_good = texts.clone().all(|text| !text.is_empty() && text.len() < 128 && !text.contains(' '));
        (is_good && texts.count() > 0).then_some(affected)
    }
}
