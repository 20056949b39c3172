//! OpenVEX 0.0.1 and 0.2.0.

use serde::Deserialize;
use serde_json::Value;

use super::{Product, Statement, VexStatus};

#[derive(Deserialize)]
struct Document {
    #[serde(default)]
    author: String,
    timestamp: Option<String>,
    #[serde(default)]
    statements: Vec<Said>,
}

#[derive(Deserialize)]
struct Said {
    vulnerability: Value,
    #[serde(default)]
    products: Vec<Value>,
    /// Of every product; where version 0.0.1 has them.
    #[serde(default)]
    subcomponents: Vec<Value>,
    status: String,
    justification: Option<String>,
    impact_statement: Option<String>,
    action_statement: Option<String>,
    timestamp: Option<String>,
}

pub(super) fn recognises(root: &Value) -> bool {
    root.get("@context").and_then(Value::as_str).is_some_and(|context| context.contains("openvex"))
}

pub(super) fn read(name: &str, root: Value) -> Result<Vec<Statement>, serde_json::Error> {
    let document: Document = serde_json::from_value(root)?;
    let each = document.statements.into_iter().filter_map(|said| {
        let status = match said.status.as_str() {
            "not_affected" => VexStatus::NotAffected,
            "affected" => VexStatus::Affected,
            "fixed" => VexStatus::Fixed,
            "under_investigation" => VexStatus::UnderInvestigation,
            _ => return None,
        };
        let of_all: Vec<String> = said.subcomponents.iter().flat_map(identifiers).collect();
        let products = said.products.iter().flat_map(|product| {
            let listed = product.get("subcomponents").and_then(Value::as_array).into_iter().flatten();
            let parts: Vec<String> = listed.flat_map(identifiers).chain(of_all.iter().cloned()).collect();
            identifiers(product).into_iter().map(move |id| Product { id, parts: parts.clone() })
        });
        let at = said.timestamp.or_else(|| document.timestamp.clone());
        Some(Statement {
            document: name.to_owned(),
            author: document.author.clone(),
            vulnerability: names(&said.vulnerability),
            products: products.collect(),
            status,
            justification: said.justification,
            text: said.impact_statement.or(said.action_statement),
            at: at.and_then(|at| at.parse().ok()),
        })
    });
    Ok(each.collect())
}

/// A name alone, or an object with a name, an `@id` that ends in it, and aliases.
fn names(vulnerability: &Value) -> Vec<String> {
    if let Some(name) = vulnerability.as_str() {
        return vec![name.to_owned()];
    }
    let text = |key: &str| vulnerability.get(key).and_then(Value::as_str);
    let id = text("@id").and_then(|id| id.rsplit('/').next());
    let aliases = vulnerability.get("aliases").and_then(Value::as_array).into_iter().flatten();
    let all = text("name").or(id).into_iter().chain(aliases.filter_map(Value::as_str));
    all.map(str::to_owned).collect()
}

/// All that a product goes by.
fn identifiers(product: &Value) -> Vec<String> {
    if let Some(id) = product.as_str() {
        return vec![id.to_owned()];
    }
    let id = product.get("@id").and_then(Value::as_str);
    let others =
        product.get("identifiers").and_then(Value::as_object).into_iter().flat_map(|all| all.values());
    let hashes = product.get("hashes").and_then(Value::as_object);
    let digest = hashes.and_then(|hashes| hashes.get("sha-256")?.as_str()).map(|hex| format!("sha256:{hex}"));
    let mut all: Vec<String> =
        id.into_iter().chain(others.filter_map(Value::as_str)).map(str::to_owned).chain(digest).collect();
    all.sort_unstable();
    all.dedup();
    all
}
