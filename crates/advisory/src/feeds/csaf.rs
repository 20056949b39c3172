//! CSAF 2.0 documents of vulnerabilities (profile VEX), as Red Hat and SUSE publish one for each CVE: which package of which
//! product is fixed, affected, not affected or being looked into, how bad that is there, and what is planned.
//!
//! A product is a component in a platform; both are named in a tree, and put together by relationships. Fixed are packages
//! as they are installed, with their versions; everything else names source packages without a version, which are stored
//! under the name of a source package ([`naming::source_key`]).

use std::collections::{BTreeMap, BTreeSet, HashMap};

use serde::Deserialize;
use tidewaiter_inventory::Purl;

use super::record::{Affected, Record, Reference, Status};
use crate::naming;
use crate::severity::Severity;

#[derive(Deserialize)]
struct Csaf {
    document: Document,
    #[serde(default)]
    product_tree: Tree,
    #[serde(default)]
    vulnerabilities: Vec<Vulnerability>,
}

#[derive(Deserialize)]
struct Document {
    publisher: Publisher,
    tracking: Tracking,
    #[serde(default)]
    title: String,
}

#[derive(Deserialize)]
struct Publisher {
    #[serde(default)]
    name: String,
}

#[derive(Deserialize)]
struct Tracking {
    current_release_date: Option<String>,
    initial_release_date: Option<String>,
}

#[derive(Default, Deserialize)]
struct Tree {
    #[serde(default)]
    branches: Vec<Branch>,
    #[serde(default)]
    relationships: Vec<Relationship>,
}

#[derive(Deserialize)]
struct Branch {
    #[serde(default)]
    branches: Vec<Self>,
    product: Option<Product>,
}

#[derive(Deserialize)]
struct Product {
    #[serde(default)]
    name: String,
    product_id: String,
    product_identification_helper: Option<Helper>,
}

#[derive(Default, Deserialize)]
struct Helper {
    cpe: Option<String>,
    purl: Option<String>,
}

#[derive(Deserialize)]
struct Relationship {
    full_product_name: ProductName,
    product_reference: String,
    relates_to_product_reference: String,
}

#[derive(Deserialize)]
struct ProductName {
    product_id: String,
}

#[derive(Deserialize)]
struct Vulnerability {
    cve: Option<String>,
    cwe: Option<Weakness>,
    #[serde(default)]
    notes: Vec<Note>,
    #[serde(default)]
    product_status: ProductStatus,
    #[serde(default)]
    scores: Vec<Score>,
    #[serde(default)]
    threats: Vec<Statement>,
    #[serde(default)]
    remediations: Vec<Statement>,
    #[serde(default)]
    flags: Vec<Flag>,
    #[serde(default)]
    references: Vec<Link>,
}

#[derive(Deserialize)]
struct Weakness {
    id: String,
}

#[derive(Deserialize)]
struct Note {
    category: String,
    #[serde(default)]
    text: String,
}

#[derive(Default, Deserialize)]
struct ProductStatus {
    #[serde(default)]
    fixed: Vec<String>,
    #[serde(default)]
    known_affected: Vec<String>,
    #[serde(default)]
    known_not_affected: Vec<String>,
    #[serde(default)]
    under_investigation: Vec<String>,
}

#[derive(Deserialize)]
struct Score {
    cvss_v2: Option<Vector>,
    cvss_v3: Option<Vector>,
    cvss_v4: Option<Vector>,
}

#[derive(Deserialize)]
struct Vector {
    #[serde(rename = "vectorString", default)]
    vector: String,
}

/// A threat or a remediation, of some products.
#[derive(Deserialize)]
struct Statement {
    category: String,
    #[serde(default)]
    details: String,
    url: Option<String>,
    #[serde(default)]
    product_ids: Vec<String>,
}

#[derive(Deserialize)]
struct Flag {
    label: String,
    #[serde(default)]
    product_ids: Vec<String>,
}

#[derive(Deserialize)]
struct Link {
    url: String,
}

/// Reads a document as one record for each vulnerability with a CVE.
pub(super) fn parse(json: &[u8]) -> Result<Vec<Record>, serde_json::Error> {
    let csaf: Csaf = serde_json::from_slice(json)?;
    let products = Products::of(&csaf.product_tree);
    let publisher: String =
        csaf.document.publisher.name.split_whitespace().take(2).collect::<String>().to_uppercase();
    let records = csaf.vulnerabilities.iter().filter_map(|vulnerability| {
        let cve = vulnerability.cve.clone()?;
        let note = |category: &str| {
            let note = vulnerability.notes.iter().find(|note| note.category == category);
            note.map(|note| note.text.clone()).unwrap_or_default()
        };
        let scores = vulnerability.scores.iter();
        let vectors = scores.flat_map(|score| [&score.cvss_v4, &score.cvss_v3, &score.cvss_v2]).flatten();
        let tracking = &csaf.document.tracking;
        Some(Record {
            id: format!(
                "{}-{cve}",
                if publisher.starts_with("REDHAT") { "REDHAT" } else { publisher.as_str() }
            ),
            modified: tracking.current_release_date.as_deref().and_then(|time| time.parse().ok()),
            published: tracking.initial_release_date.as_deref().and_then(|time| time.parse().ok()),
            upstream: vec![cve],
            summary: csaf.document.title.clone(),
            details: note("description"),
            references: vulnerability
                .references
                .iter()
                .map(|link| Reference { kind: "WEB".to_owned(), url: link.url.clone() })
                .collect(),
            vectors: vectors
                .map(|vector| vector.vector.clone())
                .filter(|vector| !vector.is_empty())
                .collect(),
            weaknesses: vulnerability.cwe.iter().map(|weakness| weakness.id.clone()).collect(),
            affected: affected(vulnerability, &products),
            ..Record::default()
        })
    });
    Ok(records.collect())
}

/// Products by id: the platform and the component that each is made of.
struct Products<'a> {
    parts: HashMap<&'a str, (&'a str, &'a str)>,
    named: HashMap<&'a str, &'a Product>,
}

impl<'a> Products<'a> {
    fn of(tree: &'a Tree) -> Self {
        let mut named = HashMap::new();
        let mut rest: Vec<&Branch> = tree.branches.iter().collect();
        while let Some(branch) = rest.pop() {
            named.extend(branch.product.iter().map(|product| (product.product_id.as_str(), product)));
            rest.extend(&branch.branches);
        }
        let parts = tree.relationships.iter().map(|relationship| {
            let id = relationship.full_product_name.product_id.as_str();
            (
                id,
                (relationship.relates_to_product_reference.as_str(), relationship.product_reference.as_str()),
            )
        });
        Self { parts: parts.collect(), named }
    }

    /// The ecosystem of a platform.
    fn ecosystem(&self, platform: &str) -> Option<String> {
        let product = self.named.get(platform)?;
        let cpe = product.product_identification_helper.as_ref().and_then(|helper| helper.cpe.as_deref());
        if let Some((_, product)) = cpe.and_then(|cpe| cpe.split_once(":redhat:")) {
            return Some(format!("Red Hat:{product}"));
        }
        match product.name.strip_prefix("SUSE ") {
            Some(name) => Some(format!("SUSE:{name}")),
            None => product.name.strip_prefix("openSUSE ").map(|name| format!("openSUSE:{name}")),
        }
    }

    /// Name and version of a component, and whether it is a source package.
    fn component(&self, id: &'a str) -> Option<Component> {
        let product = self.named.get(id);
        let helper = product.and_then(|product| product.product_identification_helper.as_ref());
        let Some(text) = helper.and_then(|helper| helper.purl.as_deref()) else {
            // A source package is often known by its name alone. One of a module has that in front, `nodejs:18/nodejs`;
            // what is said of it holds for no other stream, and is left out.
            let is_plain = !id.contains('/');
            return is_plain.then(|| Component { name: id.to_owned(), version: None, is_source: true });
        };
        let purl = Purl::parse(text)?;
        if purl.kind != "rpm" {
            return None;
        }
        let version = (!purl.version.is_empty()).then(|| purl.full_version());
        Some(Component {
            is_source: version.is_none() || purl.qualifier("arch") == Some("src"),
            name: purl.name,
            version,
        })
    }
}

struct Component {
    name: String,
    version: Option<String>,
    is_source: bool,
}

/// What is said of every product.
fn affected(vulnerability: &Vulnerability, products: &Products<'_>) -> Vec<Affected> {
    let impacts = by_product(&vulnerability.threats, |threat| threat.category == "impact");
    let plans = by_product(&vulnerability.remediations, |plan| {
        matches!(plan.category.as_str(), "no_fix_planned" | "none_available" | "vendor_fix")
    });
    let labels: HashMap<&str, &str> = vulnerability
        .flags
        .iter()
        .flat_map(|flag| flag.product_ids.iter().map(|id| (id.as_str(), flag.label.as_str())))
        .collect();
    let status = &vulnerability.product_status;
    let all = [
        (&status.fixed, None),
        (&status.known_affected, Some(Status::Open)),
        (&status.known_not_affected, Some(Status::NotAffected)),
        (&status.under_investigation, Some(Status::UnderInvestigation)),
    ];
    // Architectures repeat each other.
    let mut seen = BTreeSet::new();
    let mut found: BTreeMap<(String, String), Affected> = BTreeMap::new();
    for (ids, said) in all {
        for id in ids {
            let Some((platform, component)) =
                products.parts.get(id.as_str()).copied().or_else(|| id.split_once(':'))
            else {
                continue;
            };
            let (Some(ecosystem), Some(component)) =
                (products.ecosystem(platform), products.component(component))
            else {
                continue;
            };
            let name = match said {
                None if component.is_source => continue,
                None => component.name.clone(),
                Some(_) => naming::source_key(&component.name),
            };
            if !seen.insert((ecosystem.clone(), name.clone(), component.version.clone(), said)) {
                continue;
            }
            let Some(mut affected) = Affected::new(ecosystem.as_str(), name.as_str()) else { continue };
            let impact = impacts.get(id.as_str()).and_then(|threat| Severity::from_rating(&threat.details));
            affected.severity = impact.unwrap_or_default();
            let plan = plans.get(id.as_str());
            match said {
                None => {
                    let Some(version) = component.version else { continue };
                    let url = plan.and_then(|plan| plan.url.as_deref());
                    affected.announcements =
                        url.and_then(|url| url.rsplit('/').next()).map(str::to_owned).into_iter().collect();
                    affected = affected.until(Some(version));
                }
                Some(Status::NotAffected) => {
                    affected.status = Status::NotAffected;
                    affected.note =
                        labels.get(id.as_str()).map(|label| label.replace('_', " ")).unwrap_or_default();
                }
                Some(said) => {
                    let details = plan.map(|plan| plan.details.as_str()).unwrap_or_default();
                    affected.status = match (said, details.to_lowercase().as_str()) {
                        (Status::UnderInvestigation, _) => said,
                        (_, "out of support scope") => Status::EndOfLife,
                        (_, "will not fix") => Status::WontFix,
                        (_, "fix deferred") => Status::Deferred,
                        _ if plan.is_some_and(|plan| plan.category == "no_fix_planned") => Status::WontFix,
                        _ => said,
                    };
                    details.clone_into(&mut affected.note);
                    affected = affected.until(None);
                }
            }
            found
                .entry((ecosystem, name))
                .and_modify(|known| known.ranges.append(&mut affected.ranges))
                .or_insert(affected);
        }
    }
    found.into_values().collect()
}

fn by_product(statements: &[Statement], counts: impl Fn(&Statement) -> bool) -> HashMap<&str, &Statement> {
    let counted = statements.iter().filter(|statement| counts(statement));
    counted
        .flat_map(|statement| statement.product_ids.iter().map(move |id| (id.as_str(), statement)))
        .collect()
}
