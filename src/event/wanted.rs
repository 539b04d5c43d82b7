//! The values a caller wants from a body: pointers compiled into a tree once, walked beside the body.

use super::Pointer;

/// Pointers compiled into a tree. A slot is the position of a pointer in the list given to [`Wanted::new`].
#[derive(Clone, Debug, Default)]
pub struct Wanted {
    root: Node,
    /// For each slot how many arrays its pointer leads through element by element.
    levels: Vec<usize>,
}

/// The token that stands for every element of an array, in pointers into the items of a batch.
pub const EACH: &str = "*";

/// What the end of a value means for a batch.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Mark {
    /// Nothing.
    #[default]
    None,
    /// An element that holds an array of items.
    Outer,
    /// An item, and how many arrays lead to it.
    Item(usize),
}

/// One place in a document that a pointer names or leads through.
#[derive(Clone, Debug, Default)]
pub(super) struct Node {
    /// The pointers that end here; two may be equal.
    pub(super) slots: Vec<usize>,
    pub(super) mark: Mark,
    children: Vec<Child>,
    /// What is wanted in every element.
    each: Option<Box<Node>>,
}

#[derive(Clone, Debug)]
struct Child {
    name: Box<str>,
    /// The name as an array index, if it is one: digits without leading zeros.
    index: Option<usize>,
    node: Node,
}

impl Wanted {
    /// Compile pointers; slot `n` is `pointers[n]`.
    pub fn new(pointers: &[Pointer]) -> Wanted {
        let mut root = Node::default();
        for (slot, pointer) in pointers.iter().enumerate() {
            root.insert(pointer.tokens(), false).slots.push(slot);
        }
        Wanted { root, levels: vec![0; pointers.len()] }
    }

    /// The same for a body that holds several events. `items` says where they stand, `/events/*` or
    /// `/entry/*/changes/*`; a `*` in the pointers is the same element as in `items`.
    pub fn splitting(pointers: &[Pointer], items: &[Pointer]) -> Wanted {
        if items.is_empty() {
            return Wanted::new(pointers);
        }
        let mut root = Node::default();
        for (slot, pointer) in pointers.iter().enumerate() {
            root.insert(pointer.tokens(), true).slots.push(slot);
        }
        for pointer in items {
            let tokens = pointer.tokens();
            let levels = pointer.levels();
            root.insert(tokens, true).mark = Mark::Item(levels);
            let outer = tokens.iter().position(|token| token == EACH).filter(|_| levels > 1);
            if let Some(outer) = outer {
                root.insert(&tokens[..=outer], true).mark = Mark::Outer;
            }
        }
        root.merge();
        Wanted { root, levels: pointers.iter().map(Pointer::levels).collect() }
    }

    /// Nothing is wanted: the scan only checks.
    pub fn none() -> Wanted {
        Wanted::default()
    }

    /// How many slots a scan fills.
    pub fn slots(&self) -> usize {
        self.levels.len()
    }

    /// How many arrays the slot's pointer leads through element by element.
    pub(super) fn level(&self, slot: usize) -> usize {
        self.levels.get(slot).copied().unwrap_or_default()
    }

    /// The node of the whole document; `None` when nothing at all is wanted.
    pub(super) fn root(&self) -> Option<&Node> {
        (!self.root.is_leaf() || !self.root.slots.is_empty()).then_some(&self.root)
    }
}

impl Node {
    /// The node at the end of these tokens; `each` says whether `*` means every element.
    fn insert(&mut self, tokens: &[String], each: bool) -> &mut Node {
        let Some((first, rest)) = tokens.split_first() else {
            return self;
        };
        if each && first == EACH {
            return self.each.get_or_insert_default().insert(rest, each);
        }
        let at = self.children.iter().position(|child| *child.name == **first).unwrap_or_else(|| {
            self.children.push(Child { name: first.as_str().into(), index: index(first), node: Node::default() });
            self.children.len() - 1
        });
        self.children[at].node.insert(rest, each)
    }

    /// What is wanted in every element is wanted in those as well that have a place of their own.
    fn merge(&mut self) {
        if let Some(each) = &mut self.each {
            each.merge();
        }
        for child in &mut self.children {
            if let Some(each) = self.each.as_ref().filter(|_| child.index.is_some()) {
                child.node.add(each);
            }
            child.node.merge();
        }
    }

    fn add(&mut self, other: &Node) {
        self.slots.extend(&other.slots);
        if other.mark != Mark::None {
            self.mark = other.mark;
        }
        for child in &other.children {
            match self.children.iter_mut().find(|own| own.name == child.name) {
                Some(own) => own.node.add(&child.node),
                None => self.children.push(child.clone()),
            }
        }
        if let Some(each) = &other.each {
            self.each.get_or_insert_default().add(each);
        }
    }

    /// The child for the member of this (unescaped) name.
    pub(super) fn member(&self, name: &[u8]) -> Option<&Node> {
        self.children.iter().find(|child| child.name.as_bytes() == name).map(|child| &child.node)
    }

    /// The child for the element of this index.
    pub(super) fn element(&self, index: usize) -> Option<&Node> {
        let own = self.children.iter().find(|child| child.index == Some(index)).map(|child| &child.node);
        own.or(self.each.as_deref())
    }

    /// What the elements of an array here are to a batch.
    pub(super) fn elements(&self) -> Mark {
        self.each.as_ref().map_or(Mark::None, |each| each.mark)
    }

    /// A node without children: nothing inside the value is wanted.
    pub(super) fn is_leaf(&self) -> bool {
        self.children.is_empty() && self.each.is_none()
    }
}

fn index(token: &str) -> Option<usize> {
    let canonical = token == "0" || !token.starts_with('0');
    if canonical && token.bytes().all(|b| b.is_ascii_digit()) { token.parse().ok() } else { None }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_index_is_digits_without_leading_zeros() {
        assert_eq!(index("0"), Some(0));
        assert_eq!(index("12"), Some(12));
        for token in ["", "-", "+1", "01", "1a", "99999999999999999999999"] {
            assert_eq!(index(token), None, "{token}");
        }
    }
}
