//! The plain list: one component per line, name, version and kind in columns, for people and for `grep`.

use std::fmt::Write as _;

use crate::model::Inventory;

/// The components as text, in the order of the inventory; empty when there are none.
#[must_use]
pub fn write(inventory: &Inventory) -> String {
    let width = |text: fn(&crate::Component) -> &str| {
        inventory.components.iter().map(|component| text(component).chars().count()).max().unwrap_or(0)
    };
    let (names, versions) = (width(|component| &component.name), width(|component| &component.version));
    inventory.components.iter().fold(String::new(), |mut out, component| {
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
