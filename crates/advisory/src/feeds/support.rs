//! Until when releases of distributions are supported: the full listing of products of endoflife.date (its API v1), or a
//! table of releases by the `ID` of `os-release`.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// A release of a distribution.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(crate) struct Cycle {
    /// `ID` of `os-release`.
    pub(crate) id: String,
    /// The version as far as it names a release: `12`, `3.19`, `22.04`.
    pub(crate) version: String,
    /// The last day of support that everybody has, `YYYY-MM-DD`.
    pub(crate) end: String,
}

/// What endoflife.date calls distributions otherwise than they do themselves.
const IDS: [(&str, &str); 9] = [
    ("alpine-linux", "alpine"),
    ("amazon-linux", "amzn"),
    ("azure-linux", "azurelinux"),
    ("centos-stream", "centos"),
    ("opensuse", "opensuse-leap"),
    ("oracle-linux", "ol"),
    ("rocky-linux", "rocky"),
    ("alma-linux", "almalinux"),
    ("photon-os", "photon"),
];

#[derive(Deserialize)]
struct Row {
    cycle: String,
    eol: Option<String>,
    extended: Option<String>,
}

#[derive(Deserialize)]
struct Listing {
    result: Vec<Product>,
}

#[derive(Deserialize)]
struct Product {
    name: String,
    #[serde(default)]
    releases: Vec<Published>,
}

#[derive(Deserialize)]
struct Published {
    name: String,
    #[serde(rename = "eolFrom")]
    eol: Option<String>,
    #[serde(rename = "eoesFrom")]
    extended: Option<String>,
}

/// Reads either form.
pub(super) fn parse(json: &[u8]) -> Result<Vec<Cycle>, serde_json::Error> {
    if let Ok(table) = serde_json::from_slice::<BTreeMap<String, Vec<Row>>>(json) {
        let rows =
            table.into_iter().flat_map(|(id, rows)| rows.into_iter().map(move |row| (id.clone(), row)));
        return Ok(rows.filter_map(|(id, row)| Cycle::new(id, row.cycle, row.eol, row.extended)).collect());
    }
    let listing: Listing = serde_json::from_slice(json)?;
    let cycles = listing.result.into_iter().flat_map(|product| {
        let known = IDS.iter().find(|(theirs, _)| *theirs == product.name).map(|(_, id)| (*id).to_owned());
        let id = known.unwrap_or(product.name);
        product
            .releases
            .into_iter()
            .filter_map(move |release| Cycle::new(id.clone(), release.name, release.eol, release.extended))
    });
    Ok(cycles.collect())
}

impl Cycle {
    fn new(id: String, version: String, eol: Option<String>, extended: Option<String>) -> Option<Self> {
        // Debian's long-term support is for everybody; what others call extended is for those who pay.
        let end = if id == "debian" { extended.or(eol) } else { eol };
        Some(Self { end: end.filter(|end| end.parse::<jiff::civil::Date>().is_ok())?, id, version })
    }
}
