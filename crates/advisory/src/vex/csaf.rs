//! CSAF 2.0 as a statement of whoever makes a product: products are known by package URLs in the product tree.

use std::collections::HashMap;

use serde_json::Value;

use super::{Product, Statement, VexStatus};

pub(super) fn recognises(root: &Value) -> bool {
    root.get("document")
        .is_some_and(|document| document.get("csaf_version").is_some() || document.get("category").is_some())
        && root.get("vulnerabilities").is_some()
}

pub(super) fn read(name: &str, root: Value) -> Result<Vec<Statement>, serde_json::Error> {
    let products = products(&root);
    let document = &root["document"];
    let author = document["publisher"]["name"].as_str().unwrap_or_default();
    let at = document["tracking"]["current_release_date"].as_str().and_then(|at| at.parse().ok());
    let mut statements = Vec::new();
    for vulnerability in list(&root["vulnerabilities"]) {
        let ids = list(&vulnerability["ids"]).filter_map(|id| id["text"].as_str());
        let names: Vec<String> =
            vulnerability["cve"].as_str().into_iter().chain(ids).map(str::to_owned).collect();
        for (key, status) in [
            ("known_not_affected", VexStatus::NotAffected),
            ("known_affected", VexStatus::Affected),
            ("fixed", VexStatus::Fixed),
            ("under_investigation", VexStatus::UnderInvestigation),
        ] {
            for id in list(&vulnerability["product_status"][key]).filter_map(Value::as_str) {
                let names_it = |statement: &&Value| list(&statement["product_ids"]).any(|other| other == id);
                let flag =
                    list(&vulnerability["flags"]).find(names_it).and_then(|flag| flag["label"].as_str());
                let threats = list(&vulnerability["threats"]).filter(|threat| threat["category"] == "impact");
                let threat =
                    threats.filter(|threat| names_it(threat)).find_map(|threat| threat["details"].as_str());
                statements.push(Statement {
                    document: name.to_owned(),
                    author: author.to_owned(),
                    vulnerability: names.clone(),
                    products: vec![product(id, &products)],
                    status,
                    justification: flag.map(str::to_owned),
                    text: threat.map(str::to_owned),
                    at,
                });
            }
        }
    }
    Ok(statements)
}

fn list(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().into_iter().flatten()
}

/// What a product id stands for: a package URL, or a part of another product.
enum Known {
    Purl(String),
    Part { whole: String, part: String },
}

fn products(root: &Value) -> HashMap<String, Known> {
    let mut known = HashMap::new();
    let mut rest: Vec<&Value> = vec![&root["product_tree"]];
    while let Some(branch) = rest.pop() {
        rest.extend(list(&branch["branches"]));
        let full = list(&branch["full_product_names"]).chain(branch.get("product"));
        for product in full {
            let purl = product["product_identification_helper"]["purl"].as_str();
            if let (Some(id), Some(purl)) = (product["product_id"].as_str(), purl) {
                known.insert(id.to_owned(), Known::Purl(purl.to_owned()));
            }
        }
    }
    for relation in list(&root["product_tree"]["relationships"]) {
        let parts = (
            relation["full_product_name"]["product_id"].as_str(),
            relation["relates_to_product_reference"].as_str(),
            relation["product_reference"].as_str(),
        );
        if let (Some(id), Some(whole), Some(part)) = parts {
            known.insert(id.to_owned(), Known::Part { whole: whole.to_owned(), part: part.to_owned() });
        }
    }
    known
}

fn product(id: &str, products: &HashMap<String, Known>) -> Product {
    let purl = |id: &str| match products.get(id) {
        Some(Known::Purl(purl)) => Some(purl.clone()),
        _ => None,
    };
    match products.get(id) {
        Some(Known::Purl(purl)) => Product { id: purl.clone(), parts: Vec::new() },
        // A whole without a package URL (a platform) is any that has the part.
        Some(Known::Part { whole, part }) => Product {
            id: purl(whole).unwrap_or_default(),
            parts: vec![purl(part).unwrap_or_else(|| part.clone())],
        },
        None => Product { id: id.to_owned(), parts: Vec::new() },
    }
}
