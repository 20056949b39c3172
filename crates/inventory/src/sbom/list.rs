//! The plain list: one component per line, name, version and kind in columns, for people and for `grep`.

use std::fmt::Write as _;

use crate::model::Inventory;

/// What stands above the columns.
const HEAD: [&str; 3] = ["Name", "Version", "Type"];

/// The components as text, in the order of the inventory, below a line with the names of the columns; empty when
/// there are none.
#[must_use]
pub fn write(inventory: &Inventory) -> String {
    if inventory.components.is_empty() {
        return String::new();
    }
    let width = |head: &str, text: fn(&crate::Component) -> &str| {
        let each = inventory.components.iter().map(|component| text(component).chars().count());
        each.max().unwrap_or(0).max(head.len())
    };
    let [name, version, kind] = HEAD;
    let names = width(name, |component| &component.name);
    let versions = width(version, |component| &component.version);
    let head = format!("{name:names$}  {version:versions$}  {kind}\n");
    inventory.components.iter().fold(head, |mut out, component| {
        let (name, version, kind) =
            (printable(&component.name), printable(&component.version), component.kind);
        let _ = writeln!(out, "{name:names$}  {version:versions$}  {}", kind.purl_type());
        out
    })
}

/// Names come from the image: control characters would reach the terminal.
fn printable(text: &str) -> String {
    text.chars().map(|character| if character.is_control() { '\u{fffd}' } else { character }).collect()
}
