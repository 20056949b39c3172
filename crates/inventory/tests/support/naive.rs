//! A file system in the plainest way: a tree with every file in it, changed entry by entry as a runtime would.
//! What `merge` keeps is held against it.

use std::collections::BTreeMap;

use super::Item;

#[derive(Debug, Clone)]
enum Node {
    Dir(BTreeMap<String, Self>),
    File { content: Vec<u8>, layer: u32 },
    Link { target: String, layer: u32 },
}

#[derive(Debug)]
pub(crate) struct Tree(Node);

type Path = Vec<String>;

fn parts(path: &str) -> impl DoubleEndedIterator<Item = String> + '_ {
    path.split('/').filter(|part| !part.is_empty() && *part != ".").map(str::to_owned)
}

impl Tree {
    pub(crate) fn new() -> Self {
        Self(Node::Dir(BTreeMap::new()))
    }

    pub(crate) fn lay(&mut self, items: &[Item], layer: u32) {
        for item in items {
            let name = match item {
                Item::Dir(name) | Item::File(name, _) | Item::Symlink(name, _) | Item::HardLink(name, _) => {
                    name
                }
            };
            let mut path: Path = parts(name).collect();
            let base = path.pop().expect("a name");
            let Some(mut place) = self.resolve(&path.join("/")) else { continue };
            self.make_dirs(&place);
            if let Some(hidden) = base.strip_prefix(".wh.") {
                if hidden == ".wh..opq" {
                    self.hide_children(&place, layer);
                } else {
                    place.push(hidden.to_owned());
                    self.hide(&place, layer);
                }
                continue;
            }
            place.push(base);
            match item {
                Item::Dir(_) => {
                    if !matches!(self.get(&place), Some(Node::Dir(_))) {
                        self.put(&place, Node::Dir(BTreeMap::new()));
                    }
                }
                Item::File(_, content) => self.put(&place, Node::File { content: content.clone(), layer }),
                Item::Symlink(_, target) => self.put(&place, Node::Link { target: target.clone(), layer }),
                Item::HardLink(_, target) => self.hard_link(&place, target, layer),
            }
        }
    }

    fn hard_link(&mut self, place: &[String], target: &str, layer: u32) {
        let mut path: Path = parts(target).collect();
        let base = path.pop().expect("a name");
        let Some(mut target) = self.resolve(&path.join("/")) else { return };
        target.push(base);
        if target == place {
            return;
        }
        match self.get(&target).cloned() {
            Some(Node::File { content, .. }) => self.put(place, Node::File { content, layer }),
            Some(Node::Link { target, .. }) => self.put(place, Node::Link { target, layer }),
            _ => self.put(place, Node::File { content: Vec::new(), layer }),
        }
    }

    /// Where a directory is, links followed; the parts that do not exist are taken as they are.
    fn resolve(&self, path: &str) -> Option<Path> {
        let mut place = Path::new();
        let mut todo: Path = parts(path).rev().collect();
        let mut links = 0;
        while let Some(part) = todo.pop() {
            if part == ".." {
                place.pop();
                continue;
            }
            place.push(part);
            if let Some(Node::Link { target, .. }) = self.get(&place) {
                links += 1;
                if links > 40 {
                    return None;
                }
                place.pop();
                if target.starts_with('/') {
                    place.clear();
                }
                todo.extend(parts(target).rev());
            }
        }
        Some(place)
    }

    fn get(&self, place: &[String]) -> Option<&Node> {
        place.iter().try_fold(&self.0, |node, part| match node {
            Node::Dir(children) => children.get(part),
            _ => None,
        })
    }

    /// The directory at `place`, made with all above it; files in the way are replaced.
    fn make_dirs(&mut self, place: &[String]) -> &mut BTreeMap<String, Node> {
        fn children(node: &mut Node) -> &mut BTreeMap<String, Node> {
            if !matches!(node, Node::Dir(_)) {
                *node = Node::Dir(BTreeMap::new());
            }
            match node {
                Node::Dir(children) => children,
                _ => unreachable!("it was made a directory"),
            }
        }
        place.iter().fold(children(&mut self.0), |here, part| {
            children(here.entry(part.clone()).or_insert_with(|| Node::Dir(BTreeMap::new())))
        })
    }

    fn put(&mut self, place: &[String], node: Node) {
        let (base, parent) = place.split_last().expect("a name");
        self.make_dirs(parent).insert(base.clone(), node);
    }

    fn hide(&mut self, place: &[String], layer: u32) {
        let (base, parent) = place.split_last().expect("a name");
        let siblings = self.make_dirs(parent);
        let Some(node) = siblings.remove(base) else { return };
        if let Some(rest) = younger(node, layer) {
            siblings.insert(base.clone(), rest);
        }
    }

    fn hide_children(&mut self, place: &[String], layer: u32) {
        let children = std::mem::take(self.make_dirs(place));
        let rest = children.into_iter().filter_map(|(name, node)| Some((name, younger(node, layer)?)));
        *self.make_dirs(place) = rest.collect();
    }

    /// Every file: path, content, layer.
    pub(crate) fn files(&self) -> Vec<(String, Vec<u8>, u32)> {
        fn collect(node: &Node, path: &str, into: &mut Vec<(String, Vec<u8>, u32)>) {
            match node {
                Node::Dir(children) => {
                    for (name, child) in children {
                        let path = if path.is_empty() { name.clone() } else { format!("{path}/{name}") };
                        collect(child, &path, into);
                    }
                }
                Node::File { content, layer } => into.push((path.to_owned(), content.clone(), *layer)),
                Node::Link { .. } => {}
            }
        }
        let mut files = Vec::new();
        collect(&self.0, "", &mut files);
        files
    }
}

/// What of a node is from `layer` itself.
fn younger(node: Node, layer: u32) -> Option<Node> {
    match node {
        Node::Dir(children) => {
            let rest = children.into_iter().filter_map(|(name, node)| Some((name, younger(node, layer)?)));
            let rest: BTreeMap<_, _> = rest.collect();
            (!rest.is_empty()).then_some(Node::Dir(rest))
        }
        Node::File { layer: own, .. } | Node::Link { layer: own, .. } => (own >= layer).then_some(node),
    }
}
