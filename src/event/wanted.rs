//! The values a caller wants from a body: pointers compiled into a tree once, walked beside the body.

use super::Pointer;

/// Pointers compiled into a tree. A slot is the position of a pointer in the list given to [`Wanted::new`].
#[derive(Clone, Debug, Default)]
pub struct Wanted {
    root: Node,
    slots: usize,
}

/// One place in a document that a pointer names or leads through.
#[derive(Clone, Debug, Default)]
pub(super) struct Node {
    /// The pointers that end here; two may be equal.
    pub(super) slots: Vec<usize>,
    children: Vec<Child>,
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
            root.insert(pointer.tokens(), slot);
        }
        Wanted { root, slots: pointers.len() }
    }

    /// Nothing is wanted: the scan only checks.
    pub fn none() -> Wanted {
        Wanted::default()
    }

    /// How many slots a scan fills.
    pub fn slots(&self) -> usize {
        self.slots
    }

    /// The node of the whole document; `None` when nothing at all is wanted.
    pub(super) fn root(&self) -> Option<&Node> {
        (self.slots > 0).then_some(&self.root)
    }
}

impl Node {
    fn insert(&mut self, tokens: &[String], slot: usize) {
        let Some((first, rest)) = tokens.split_first() else {
            self.slots.push(slot);
            return;
        };
        let at = self.children.iter().position(|child| *child.name == **first).unwrap_or_else(|| {
            self.children.push(Child { name: first.as_str().into(), index: index(first), node: Node::default() });
            self.children.len() - 1
        });
        self.children[at].node.insert(rest, slot);
    }

    /// The child for the member of this (unescaped) name.
    pub(super) fn member(&self, name: &[u8]) -> Option<&Node> {
        self.children.iter().find(|child| child.name.as_bytes() == name).map(|child| &child.node)
    }

    /// The child for the element of this index.
    pub(super) fn element(&self, index: usize) -> Option<&Node> {
        self.children.iter().find(|child| child.index == Some(index)).map(|child| &child.node)
    }

    /// A node without children: nothing inside the value is wanted.
    pub(super) fn is_leaf(&self) -> bool {
        self.children.is_empty()
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
