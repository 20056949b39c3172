//! Why a vulnerability is found, or why not: every record that bears its name, held against every component that it
//! could be about.

use serde::{Deserialize, Serialize};
use tidewaiter_inventory::Inventory;

use super::judge::{self, Installed, Verdict};
use super::lookup::Scope;
use crate::database::Database;
use crate::feeds::record::Status;
use crate::range::{BEGINNING, Event, EventKind};

/// What one record says of one component.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Trace {
    /// The component, as its purl.
    pub component: String,
    /// Id of the record.
    pub record: String,
    /// Ecosystem it speaks of.
    pub ecosystem: String,
    /// Package it names.
    pub package: String,
    /// The version that was compared.
    pub version: String,
    /// The ranges of the record, as conditions.
    pub ranges: Vec<String>,
    /// Whether it calls the component affected.
    pub is_affected: bool,
    /// What follows from that, in a sentence.
    pub verdict: String,
}

/// Holds every record that bears a name against every component of an image.
#[must_use]
pub fn trace(database: &Database, inventory: &Inventory, id: &str) -> Vec<Trace> {
    let names = database.names_of_vulnerability(id);
    let mut traces = Vec::new();
    for component in &inventory.components {
        let Ok(scope) = Scope::of(database, inventory.distro_of(component), component) else { continue };
        let Ok(target) = scope.target(component) else { continue };
        let installed = Installed::of(&target);
        for (row, ecosystem) in &scope.rows {
            let Some(key) = database.key(row, &target.package) else { continue };
            for entry in database.entries(&key) {
                let Some(record) = database.record(entry.record) else { continue };
                if !judge::names_of(database, &record, &entry).iter().any(|name| names.contains(name)) {
                    continue;
                }
                let ranges: Vec<String> =
                    database.ranges(&entry).map(|range| conditions(database.events(range))).collect();
                let note = database.string(entry.note);
                let (is_affected, verdict) =
                    match installed.verdict(database, &target, component, &record, &entry) {
                        Verdict::Beside => (
                            false,
                            "It is about other packages of the same name: another module, stream or flavour."
                                .to_owned(),
                        ),
                        Verdict::Open(reason) => (false, format!("It cannot be told: {reason}")),
                        Verdict::Decided { ways, .. } if !ways.is_empty() => {
                            (true, "The version lies in its range: it is affected.".to_owned())
                        }
                        Verdict::Decided { .. } if Status::from_byte(entry.status) == Status::NotAffected => {
                            let why = note.map(|note| format!(" ({note})")).unwrap_or_default();
                            (false, format!("It says that the package is not affected{why}."))
                        }
                        Verdict::Decided { reached: Some(fixed), .. } => {
                            (false, format!("It was mended in {fixed}, and what is installed has that."))
                        }
                        Verdict::Decided { .. } => {
                            (false, "The version lies in none of its ranges: it is not affected.".to_owned())
                        }
                    };
                traces.push(Trace {
                    component: component.purl.clone(),
                    record: database.string(record.id).unwrap_or_default().to_owned(),
                    ecosystem: (*ecosystem).to_owned(),
                    package: target.package.clone().into_owned(),
                    version: target.version.to_owned(),
                    ranges,
                    is_affected,
                    verdict,
                });
            }
        }
    }
    traces
}

/// `>=1.0 <1.2`, one interval behind the other.
fn conditions<'a>(events: impl Iterator<Item = Event<'a>>) -> String {
    let each = events.filter_map(|Event { kind, version }| match kind {
        EventKind::Introduced if version == BEGINNING => None,
        EventKind::Introduced => Some(format!(">={version}")),
        EventKind::Fixed | EventKind::Limit => Some(format!("<{version}")),
        EventKind::LastAffected => Some(format!("<={version}")),
    });
    let conditions = each.collect::<Vec<_>>().join(" ");
    if conditions.is_empty() { "every version".to_owned() } else { conditions }
}
