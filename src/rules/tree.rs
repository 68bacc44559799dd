//! Complaint trees: which nodes there are, level by level, with their codes (domain facts H9, G2, G3).
//!
//! A ticket is filed by path, by code, or by both. What is filed by code alone has the path of its node; so
//! a tree that comes later, or is corrected, counts for all that is kept.

use std::collections::BTreeMap;

use crate::rules::Text;

/// A tree: seven levels in one operator's branch, five in another's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ComplaintTree {
    /// Identifier in addresses and in the dimension `tree`.
    pub id: String,
    /// Display name.
    pub name: Text,
    /// What its levels are called, the root first; as many as a path may have.
    pub levels: Vec<Text>,
    /// Nodes that are named, by path. Those above them are nodes too.
    pub nodes: BTreeMap<String, TreeNode>,
}

/// A node of a tree.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TreeNode {
    /// Code of today.
    pub code: Option<String>,
    /// Codes of before that mean the same (domain fact G4).
    pub was: Vec<String>,
    /// Service whose complaints these are, for tickets that do not say.
    pub service: Option<String>,
}

/// Every tree of the book.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ComplaintTrees {
    /// In the order of the book.
    pub trees: Vec<ComplaintTree>,
    /// Paths of nodes that have a code, by the code of today.
    paths: BTreeMap<String, String>,
    /// Position of its tree, by path.
    places: BTreeMap<String, usize>,
    /// Everything above a node that is named, by path.
    inner: BTreeMap<String, Inner>,
}

/// A place above nodes that are named.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Inner {
    /// Position of the tree.
    tree: usize,
    /// The service that all nodes below have, if it is one.
    service: Option<String>,
}

impl ComplaintTrees {
    /// These trees. A path or code that two of them have is of the first.
    pub fn of(trees: Vec<ComplaintTree>) -> ComplaintTrees {
        let (mut paths, mut places) = (BTreeMap::new(), BTreeMap::new());
        let mut inner: BTreeMap<String, Inner> = BTreeMap::new();
        for (at, tree) in trees.iter().enumerate() {
            for (path, node) in &tree.nodes {
                places.entry(path.clone()).or_insert(at);
                for above in above(path) {
                    let known = inner.entry(above.to_owned()).or_insert_with(|| Inner {
                        tree: at,
                        service: node.service.clone(),
                    });
                    if known.tree == at && known.service != node.service {
                        known.service = None;
                    }
                }
                if let Some(code) = &node.code {
                    paths.entry(code.clone()).or_insert_with(|| path.clone());
                }
            }
        }
        ComplaintTrees {
            trees,
            paths,
            places,
            inner,
        }
    }

    /// The path of the node that has a code today.
    pub fn path_of(&self, code: &str) -> Option<&str> {
        self.paths.get(code).map(String::as_str)
    }

    /// The tree that names a path.
    pub fn tree_of(&self, path: &str) -> Option<&ComplaintTree> {
        self.trees.get(*self.places.get(path)?)
    }

    /// The tree in which a path lies, be its end named or not: that of the deepest node above it.
    pub fn tree_around(&self, path: &str) -> Option<&ComplaintTree> {
        let around = || above(path).find_map(|above| self.inner.get(above).map(|of| of.tree));
        let own = self.places.get(path).copied();
        let own = own.or_else(|| self.inner.get(path).map(|of| of.tree));
        self.trees.get(own.or_else(around)?)
    }

    /// The service of a path, by its node. One that ends above the leaves, or at a leaf that nobody named, is of the
    /// service that everything below the deepest known node around it is of: a complaint about the newspaper is one,
    /// however coarsely it was filed.
    pub fn service_of(&self, path: &str) -> Option<&str> {
        if let Some(tree) = self.tree_of(path) {
            return tree.nodes.get(path)?.service.as_deref();
        }
        let mut around = std::iter::once(path).chain(above(path));
        let known = around.find_map(|path| self.inner.get(path))?;
        known.service.as_deref()
    }
}

/// The places above a path, the nearest first.
fn above(path: &str) -> impl Iterator<Item = &str> {
    let ends = path.match_indices('/').map(|(at, _)| at);
    ends.collect::<Vec<_>>()
        .into_iter()
        .rev()
        .map(|end| &path[..end])
}

#[cfg(test)]
mod tests {
    use crate::rules::testing::book;

    #[test]
    fn a_code_has_the_path_of_its_node_and_a_path_its_tree() {
        let book = book(
            "
book: {name: t, version: '1', time_zone: Asia/Shanghai}
services: [{id: mail, name: 邮箱}]
trees:
  - id: five
    name: 五级
    levels: [主题, 产品, 原因, 品牌, 内容]
    exact: true
    nodes:
      - {path: 数据业务/手机邮箱/软件/全部/无法登录, code: O010104, was: [O000017], service: mail}
",
        );
        let path = "数据业务/手机邮箱/软件/全部/无法登录";
        assert_eq!(book.trees.path_of("O010104"), Some(path));
        assert_eq!(book.trees.path_of("O000017"), None, "the code of before");
        assert_eq!(book.codes.of("O000017"), Some("O010104"));
        assert_eq!(book.trees.tree_of(path).unwrap().id, "five");
        assert_eq!(book.trees.service_of(path), Some("mail"));
        // Filed too coarsely, or under a leaf that nobody knows.
        for odd in ["数据业务/手机邮箱", "数据业务/手机邮箱/软件/全部/别的"] {
            assert!(book.trees.tree_of(odd).is_none());
            assert_eq!(book.trees.tree_around(odd).unwrap().id, "five");
            assert_eq!(book.trees.service_of(odd), Some("mail"), "{odd}");
        }
        assert!(book.trees.tree_around("语音业务/漫游").is_none());
        assert_eq!(book.trees.service_of("语音业务/漫游"), None);
        assert!(book.trees.tree_of("数据业务/手机邮箱").is_none());
    }
}
