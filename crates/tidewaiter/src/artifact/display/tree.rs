//! The tree of what refers to an artifact.

use std::fmt::Write as _;

use anstyle::{AnsiColor, Style};
use tidewaiter_oci::Descriptor;
use tidewaiter_oci::graph::Referrer;

use crate::artifact::display::line::one_line;
use crate::artifact::display::yaml;

/// What stands for an artifact type that is not known.
const UNKNOWN: &str = "<unknown>";

/// How a tree is drawn.
#[derive(Debug, Clone, Copy)]
pub(crate) struct TreeStyle {
    /// Digests green, types yellow, the rest grey. What goes to a file is stripped of colours later.
    pub(crate) colours: bool,
    /// Annotations are part of the tree.
    pub(crate) annotations: bool,
}

/// A line and what hangs below it.
struct Branch {
    text: String,
    style: Style,
    branches: Vec<Self>,
}

/// Draws the tree; `root` is what stands at its top.
pub(crate) fn draw(root: &str, referrers: &[Referrer], style: TreeStyle) -> String {
    let green = AnsiColor::Green.on_default();
    let mut text = String::new();
    write_styled(&mut text, root, green, style.colours);
    text.push('\n');
    draw_below(&mut text, "", &by_type(referrers, style), style.colours);
    text
}

/// Referrers of the same artifact type under one branch, in the order in which the types come first.
fn by_type(referrers: &[Referrer], style: TreeStyle) -> Vec<Branch> {
    let mut types: Vec<Branch> = Vec::new();
    for referrer in referrers {
        let artifact_type = referrer.descriptor.artifact_type.as_deref().filter(|text| !text.is_empty());
        let artifact_type = one_line(artifact_type.unwrap_or(UNKNOWN));
        let position = match types.iter().position(|branch| branch.text == artifact_type) {
            Some(position) => position,
            None => {
                let style = AnsiColor::BrightYellow.on_default();
                types.push(Branch { text: artifact_type, style, branches: Vec::new() });
                types.len() - 1
            }
        };
        types[position].branches.push(node(referrer, style));
    }
    types
}

fn node(referrer: &Referrer, style: TreeStyle) -> Branch {
    let mut branches = Vec::new();
    if style.annotations {
        branches.extend(annotations(&referrer.descriptor));
    }
    branches.extend(by_type(&referrer.referrers, style));
    let text = referrer.descriptor.digest.to_string();
    Branch { text, style: AnsiColor::Green.on_default(), branches }
}

fn annotations(descriptor: &Descriptor) -> Option<Branch> {
    let annotations = descriptor.annotations.as_ref().filter(|annotations| !annotations.is_empty())?;
    let leaf = |(key, value): (&String, &String)| Branch {
        text: lines_of(&format!("{}: {}", yaml::scalar(key), yaml::scalar(value))),
        style: Style::new(),
        branches: Vec::new(),
    };
    let branches = annotations.iter().map(leaf).collect();
    Some(Branch { text: "[annotations]".to_owned(), style: AnsiColor::BrightBlack.on_default(), branches })
}

/// The lines of a text, each of which stays one.
fn lines_of(text: &str) -> String {
    text.split('\n').map(one_line).collect::<Vec<_>>().join("\n")
}

fn draw_below(text: &mut String, indent: &str, branches: &[Branch], colours: bool) {
    for (index, branch) in branches.iter().enumerate() {
        let is_last = index + 1 == branches.len();
        text.push_str(indent);
        text.push_str(if is_last { "└── " } else { "├── " });
        let indent = format!("{indent}{}", if is_last { "    " } else { "│   " });
        // What has several lines stays to the right of its branch, so that no line can pass for another branch.
        let inside = branch.text.replace('\n', &format!("\n{indent}"));
        write_styled(text, &inside, branch.style, colours);
        text.push('\n');
        draw_below(text, &indent, &branch.branches, colours);
    }
}

fn write_styled(out: &mut String, text: &str, style: Style, colours: bool) {
    if colours && style != Style::new() {
        let _ = write!(out, "{style}{text}{style:#}");
    } else {
        out.push_str(text);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn referrer(text: &str, artifact_type: &str, referrers: Vec<Referrer>) -> Referrer {
        let mut descriptor = Descriptor::of("application/json", text.as_bytes());
        descriptor.artifact_type = Some(artifact_type.to_owned());
        if text == "annotated" {
            descriptor.annotations = Some([("k".to_owned(), "2026-11-20".to_owned())].into());
        }
        Referrer { descriptor, referrers }
    }

    #[test]
    fn types_are_grouped_and_annotations_shown() {
        let referrers = [
            referrer("a", "signature/example", Vec::new()),
            referrer("annotated", "sbom/example", vec![referrer("b", "", Vec::new())]),
            referrer("c", "signature/example", Vec::new()),
        ];
        let digest = |text: &str| tidewaiter_oci::Digest::sha256(text.as_bytes());
        let expected = format!(
            "root\n├── signature/example\n│   ├── {}\n│   └── {}\n└── sbom/example\n    └── {}\n        \
             ├── [annotations]\n        │   └── k: \"2026-11-20\"\n        └── <unknown>\n            └── {}\n",
            digest("a"),
            digest("c"),
            digest("annotated"),
            digest("b")
        );
        let style = TreeStyle { colours: false, annotations: true };
        assert_eq!(draw("root", &referrers, style), expected);
        let plain = TreeStyle { colours: false, annotations: false };
        assert!(!draw("root", &referrers, plain).contains("[annotations]"));
        let coloured = TreeStyle { colours: true, annotations: true };
        assert!(draw("root", &referrers, coloured).starts_with("\u{1b}[32mroot\u{1b}[0m\n"));
    }

    #[test]
    fn branches_cannot_be_forged() {
        let mut hostile = referrer("a", "sbom\n└── forged", Vec::new());
        hostile.descriptor.annotations =
            Some([("k".to_owned(), "one\n└── forged\r\u{1b}[2K".to_owned())].into());
        let digest = tidewaiter_oci::Digest::sha256(b"a");
        let expected = format!(
            "root\n└── sbom└── forged\n    └── {digest}\n        └── [annotations]\n            └── k: |-\n\
             {0}    one\n{0}    └── forged\n",
            " ".repeat(16)
        );
        assert_eq!(draw("root", &[hostile], TreeStyle { colours: false, annotations: true }), expected);
    }
}
