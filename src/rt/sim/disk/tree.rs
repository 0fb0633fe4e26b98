//! Names and nodes: the file system as it can be seen and as it is durable.

use super::file_node::FileNode;
use crate::rt::disk::DirEntry;
use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::{Component, Path};

pub(super) type NodeId = u64;

pub(super) const ROOT: NodeId = 0;

pub(super) enum Node {
    Dir(Dir),
    File(Box<FileNode>),
}

#[derive(Default)]
pub(super) struct Dir {
    pub(super) visible: BTreeMap<String, NodeId>,
    pub(super) durable: BTreeMap<String, NodeId>,
}

/// A change of names that is not durable yet.
#[derive(Clone, Debug)]
pub(super) enum NameOp {
    Link {
        dir: NodeId,
        name: String,
        node: NodeId,
    },
    Unlink {
        dir: NodeId,
        name: String,
    },
    Move {
        from: (NodeId, String),
        to: (NodeId, String),
        node: NodeId,
    },
}

impl NameOp {
    pub(super) fn dirs(&self) -> [NodeId; 2] {
        match self {
            NameOp::Link { dir, .. } | NameOp::Unlink { dir, .. } => [*dir, *dir],
            NameOp::Move { from, to, .. } => [from.0, to.0],
        }
    }
}

pub(super) struct Tree {
    pub(super) nodes: BTreeMap<NodeId, Node>,
    /// With their numbers, in order.
    pub(super) pending: Vec<(u64, NameOp)>,
    nodes_made: NodeId,
    ops: u64,
}

impl Tree {
    pub(super) fn new() -> Tree {
        let root = BTreeMap::from([(ROOT, Node::Dir(Dir::default()))]);
        Tree {
            nodes: root,
            pending: Vec::new(),
            nodes_made: ROOT,
            ops: 0,
        }
    }

    /// The number of the next operation: those that are done have lower ones.
    pub(super) fn number(&mut self) -> u64 {
        self.ops += 1;
        self.ops
    }

    pub(super) fn dir(&mut self, node: NodeId) -> io::Result<&mut Dir> {
        match self.nodes.get_mut(&node) {
            Some(Node::Dir(dir)) => Ok(dir),
            Some(Node::File(_)) => Err(io::ErrorKind::NotADirectory.into()),
            None => Err(io::ErrorKind::NotFound.into()),
        }
    }

    pub(super) fn file(&mut self, node: NodeId) -> io::Result<&mut FileNode> {
        match self.nodes.get_mut(&node) {
            Some(Node::File(file)) => Ok(file),
            Some(Node::Dir(_)) => Err(io::ErrorKind::IsADirectory.into()),
            None => Err(io::ErrorKind::NotFound.into()),
        }
    }

    pub(super) fn lookup(&mut self, path: &Path) -> io::Result<NodeId> {
        let mut node = ROOT;
        for name in names(path)? {
            node = *self
                .dir(node)?
                .visible
                .get(&name)
                .ok_or(io::ErrorKind::NotFound)?;
        }
        Ok(node)
    }

    /// The directory a path's last name is in, and that name.
    pub(super) fn lookup_parent(&mut self, path: &Path) -> io::Result<(NodeId, String)> {
        let mut names = names(path)?;
        let last = names.pop().ok_or(io::ErrorKind::InvalidInput)?;
        let mut node = ROOT;
        for name in names {
            node = *self
                .dir(node)?
                .visible
                .get(&name)
                .ok_or(io::ErrorKind::NotFound)?;
        }
        self.dir(node)?;
        Ok((node, last))
    }

    pub(super) fn create_file(&mut self, dir: NodeId, name: String) -> io::Result<NodeId> {
        self.link(dir, name, Node::File(Box::default()))
    }

    pub(super) fn create_dir_all(&mut self, path: &Path) -> io::Result<()> {
        let mut node = ROOT;
        for name in names(path)? {
            node = match self.dir(node)?.visible.get(&name) {
                Some(there) => *there,
                None => self.link(node, name, Node::Dir(Dir::default()))?,
            };
        }
        self.dir(node).map(|_| ())
    }

    fn link(&mut self, dir: NodeId, name: String, node: Node) -> io::Result<NodeId> {
        self.nodes_made += 1;
        let made = self.nodes_made;
        self.dir(dir)?.visible.insert(name.clone(), made);
        self.nodes.insert(made, node);
        self.push(NameOp::Link {
            dir,
            name,
            node: made,
        });
        Ok(made)
    }

    pub(super) fn unlink(&mut self, path: &Path) -> io::Result<()> {
        let (dir, name) = self.lookup_parent(path)?;
        let node = *self.dir(dir)?.visible.get(&name).ok_or(io::ErrorKind::NotFound)?;
        self.file(node)?;
        self.dir(dir)?.visible.remove(&name);
        self.push(NameOp::Unlink { dir, name });
        Ok(())
    }

    /// Removes from the leaves up, each name a change of its own.
    pub(super) fn remove_dir_all(&mut self, path: &Path) -> io::Result<()> {
        let (parent, name) = self.lookup_parent(path)?;
        let node = *self
            .dir(parent)?
            .visible
            .get(&name)
            .ok_or(io::ErrorKind::NotFound)?;
        self.empty(node)?;
        self.dir(parent)?.visible.remove(&name);
        self.push(NameOp::Unlink { dir: parent, name });
        Ok(())
    }

    fn empty(&mut self, dir: NodeId) -> io::Result<()> {
        for (name, node) in self.dir(dir)?.visible.clone() {
            if matches!(self.nodes.get(&node), Some(Node::Dir(_))) {
                self.empty(node)?;
            }
            self.dir(dir)?.visible.remove(&name);
            self.push(NameOp::Unlink { dir, name });
        }
        Ok(())
    }

    pub(super) fn rename(&mut self, from: &Path, to: &Path) -> io::Result<()> {
        let from = self.lookup_parent(from)?;
        let to = self.lookup_parent(to)?;
        let node = *self
            .dir(from.0)?
            .visible
            .get(&from.1)
            .ok_or(io::ErrorKind::NotFound)?;
        if from == to {
            return Ok(());
        }
        if let Some(replaced) = self.dir(to.0)?.visible.get(&to.1).copied() {
            match (&self.nodes[&node], &self.nodes[&replaced]) {
                (Node::File(_), Node::File(_)) => {}
                (Node::Dir(_), Node::Dir(dir)) if dir.visible.is_empty() => {}
                (Node::Dir(_), Node::Dir(_)) => return Err(io::ErrorKind::DirectoryNotEmpty.into()),
                (Node::File(_), Node::Dir(_)) => return Err(io::ErrorKind::IsADirectory.into()),
                (Node::Dir(_), Node::File(_)) => return Err(io::ErrorKind::NotADirectory.into()),
            }
        }
        self.dir(from.0)?.visible.remove(&from.1);
        self.dir(to.0)?.visible.insert(to.1.clone(), node);
        self.push(NameOp::Move { from, to, node });
        Ok(())
    }

    pub(super) fn list(&mut self, dir: NodeId) -> io::Result<Vec<DirEntry>> {
        let names = self.dir(dir)?.visible.clone();
        let entry = |(name, node): (String, NodeId)| match &self.nodes[&node] {
            Node::Dir(_) => DirEntry {
                name,
                is_dir: true,
                len: 0,
            },
            Node::File(file) => DirEntry {
                name,
                is_dir: false,
                len: file.visible.len(),
            },
        };
        Ok(names.into_iter().map(entry).collect())
    }

    fn push(&mut self, op: NameOp) {
        let number = self.number();
        self.pending.push((number, op));
    }

    /// Makes durable the changes of a directory with lower numbers than `before`, and those they depend on: a move
    /// takes with it what was changed before in the other directory.
    pub(super) fn sync_dir(&mut self, dir: NodeId, before: u64) {
        let mut dirs = BTreeSet::from([dir]);
        let mut durable = Vec::new();
        for at in (0..self.pending.len()).rev() {
            let (number, op) = &self.pending[at];
            let [a, b] = op.dirs();
            if *number < before && (dirs.contains(&a) || dirs.contains(&b)) {
                dirs.extend([a, b]);
                durable.push(self.pending.remove(at).1);
            }
        }
        for op in durable.into_iter().rev() {
            self.make_durable(op);
        }
    }

    /// Applies a change to the durable names.
    pub(super) fn make_durable(&mut self, op: NameOp) {
        let durable = |tree: &mut Tree, dir: NodeId, name: String, node: Option<NodeId>| {
            // A directory that was removed for good keeps no names.
            if let Ok(dir) = tree.dir(dir) {
                match node {
                    Some(node) => dir.durable.insert(name, node),
                    None => dir.durable.remove(&name),
                };
            }
        };
        match op {
            NameOp::Link { dir, name, node } => durable(self, dir, name, Some(node)),
            NameOp::Unlink { dir, name } => durable(self, dir, name, None),
            NameOp::Move { from, to, node } => {
                durable(self, from.0, from.1, None);
                durable(self, to.0, to.1, Some(node));
            }
        }
    }

    /// Bytes the files with names take.
    pub(super) fn allocated(&self) -> u64 {
        let mut sum = 0;
        let mut dirs = vec![ROOT];
        while let Some(dir) = dirs.pop() {
            let Some(Node::Dir(dir)) = self.nodes.get(&dir) else {
                continue;
            };
            for node in dir.visible.values() {
                match &self.nodes[node] {
                    Node::Dir(_) => dirs.push(*node),
                    Node::File(file) => sum += file.visible.allocated(),
                }
            }
        }
        sum
    }
}

/// The names of a path. Absolute or not, all paths start at the root.
fn names(path: &Path) -> io::Result<Vec<String>> {
    let mut names = Vec::new();
    for component in path.components() {
        match component {
            Component::RootDir | Component::CurDir => {}
            Component::Normal(name) => {
                names.push(name.to_str().ok_or(io::ErrorKind::InvalidInput)?.to_owned());
            }
            Component::ParentDir | Component::Prefix(_) => return Err(io::ErrorKind::InvalidInput.into()),
        }
    }
    Ok(names)
}
