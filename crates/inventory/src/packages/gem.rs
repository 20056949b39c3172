//! Ruby gems as RubyGems installed them: the specification of each in a `specifications` directory.
//!
//! A specification is a Ruby program. RubyGems itself reads only the `# stub:` line of it until it needs more; older
//! ones and those of distributions have none, and set name and version in lines of one form.

use super::{Room, lines, text};
use crate::fragment::{Content, Package};
use crate::model::{ComponentKind, EvidenceKind};
use crate::path;
use crate::problems::Problems;

pub(crate) const ROOM: Room = Room { name: "gem", claims, parse, ..Room::EMPTY };

/// Values that are longer are nobody's.
const MAX_TEXT: usize = 512;

fn claims(directory: &str, name: &str) -> bool {
    name.ends_with(".gemspec")
        && (path::split(directory).1 == "specifications"
            || path::ends_with(directory, "specifications/default"))
}

#[derive(Default)]
struct Specification {
    name: Option<String>,
    version: Option<String>,
    platform: Option<String>,
    licenses: Vec<String>,
}

fn parse(file: &str, bytes: &[u8], problems: &mut Problems) -> Option<Content> {
    let mut found = Specification::default();
    for (_, line) in lines(bytes) {
        found.read(line.trim_ascii());
    }
    let is_fit = |text: &String| !text.is_empty() && text.len() <= MAX_TEXT;
    let (Some(name), Some(version)) = (found.name.filter(is_fit), found.version.filter(is_fit)) else {
        problems.file(file, "the specification states no name or no version; the gem is not listed");
        return None;
    };
    Some(Content::Packages(vec![Package {
        architecture: found.platform.filter(|platform| platform != "ruby"),
        licenses: found.licenses,
        ..Package::new(ComponentKind::Gem, name, version, EvidenceKind::Metadata)
    }]))
}

impl Specification {
    /// Takes in a line. What the stub says stays.
    fn read(&mut self, line: &[u8]) {
        if let Some(stub) = line.strip_prefix(b"# stub: ") {
            // A second one lists what has to be compiled.
            if self.name.is_some() {
                return;
            }
            let stub = text(stub);
            let mut words = stub.split(' ').map(str::to_owned);
            (self.name, self.version, self.platform) = (words.next(), words.next(), words.next());
            return;
        }
        let Some((field, value)) = assignment(line) else { return };
        let first = || strings(value).next();
        match field {
            b"name" => self.name = self.name.take().or_else(first),
            b"version" => self.version = self.version.take().or_else(first),
            b"platform" => self.platform = self.platform.take().or_else(first),
            b"license" | b"licenses" => self.licenses = strings(value).collect(),
            _ => {}
        }
    }
}

/// `s.field = value`, whatever the specification is called.
fn assignment(line: &[u8]) -> Option<(&[u8], &[u8])> {
    let equals = line.iter().position(|&byte| byte == b'=')?;
    let (left, right) = (line[..equals].trim_ascii(), &line[equals + 1..]);
    let dot = left.iter().position(|&byte| byte == b'.')?;
    let field = &left[dot + 1..];
    field.iter().all(|byte| byte.is_ascii_lowercase() || *byte == b'_').then_some((field, right))
}

/// The texts between quotes. None of those that matter hold escapes.
fn strings(value: &[u8]) -> impl Iterator<Item = String> {
    let mut rest = value;
    std::iter::from_fn(move || {
        let start = rest.iter().position(|byte| b"\"'".contains(byte))?;
        let quote = rest[start];
        let inside = &rest[start + 1..];
        let end = inside.iter().position(|&byte| byte == quote)?;
        rest = &inside[end + 1..];
        Some(text(&inside[..end]))
    })
}

#[cfg(test)]
mod tests {
    use crate::packages::tests::check;

    #[test]
    fn the_stub_says_it_and_the_lines_where_there_is_none() {
        let written = "# -*- encoding: utf-8 -*-\n# stub: nokogiri 1.16.0 x86_64-linux lib\n# stub: ext/nokogiri/extconf.rb\n\nGem::Specification.new do |s|\n  \
                       s.name = \"nokogiri\".freeze\n  s.version = \"1.16.0\"\n  s.platform = \"x86_64-linux\".freeze\n\n  \
                       s.licenses = [\"MIT\".freeze, \"Ruby\".freeze]\n  s.required_ruby_version = Gem::Requirement.new(\">= 3.0\")\nend\n";
        let path = "usr/local/bundle/specifications/nokogiri-1.16.0-x86_64-linux.gemspec";
        check(path, written, &["pkg:gem/nokogiri@1.16.0?platform=x86_64-linux MIT Ruby"]);
        let older = "Gem::Specification.new do |spec|\n  spec.name = 'rake'\n  spec.version='13.0.6'\n  spec.license = 'MIT'\nend\n";
        check(
            "usr/lib/ruby/gems/3.1.0/specifications/default/rake.gemspec",
            older,
            &["pkg:gem/rake@13.0.6 MIT"],
        );
    }

    #[test]
    fn sources_of_gems_are_no_gems() {
        let source = "Gem::Specification.new do |s|\n  s.name = 'a'\n  s.version = A::VERSION\nend\n";
        check("usr/local/bundle/gems/a-1/a.gemspec", source, &[]);
        check(
            "usr/local/bundle/specifications/a-1.gemspec",
            source,
            &["file: the specification states no name or no version; the gem is not listed"],
        );
    }
}
