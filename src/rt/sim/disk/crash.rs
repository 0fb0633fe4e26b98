//! What a power loss leaves.

use super::content::Content;
use super::file_node::{Change, Durability, FileNode};
use super::tree::{NameOp, Node, NodeId, ROOT, Tree};
use crate::base::random::SplitMix;
use std::collections::BTreeSet;

/// What a disk reads or writes in one piece.
const SECTOR: usize = 512;

/// How bad it is.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Mood {
    KeepAll,
    LoseAll,
    Mixed,
}

/// Which changes of names survive only with those before them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum NameOrder {
    OfDirectories,
    OfNames,
}

impl Mood {
    fn keeps(self, random: &mut SplitMix) -> bool {
        match self {
            Mood::KeepAll => true,
            Mood::LoseAll => false,
            Mood::Mixed => random.chance(0.5),
        }
    }
}

impl Tree {
    /// Lets the power go: afterwards everything that can be seen is durable.
    pub(super) fn crash(&mut self, order: NameOrder, random: &mut SplitMix) {
        let mood = match random.below(5) {
            0 => Mood::KeepAll,
            1 => Mood::LoseAll,
            _ => Mood::Mixed,
        };
        match order {
            NameOrder::OfDirectories => self.crash_names(mood, random),
            NameOrder::OfNames => self.crash_names_out_of_order(mood, random),
        }
        self.drop_unreachable();
        for node in self.nodes.values_mut() {
            match node {
                Node::Dir(dir) => dir.visible = dir.durable.clone(),
                Node::File(file) => crash_file(file, mood, random),
            }
        }
    }

    /// A directory's changes survive up to a point.
    fn crash_names(&mut self, mood: Mood, random: &mut SplitMix) {
        let mut closed: BTreeSet<NodeId> = BTreeSet::new();
        for (_, op) in std::mem::take(&mut self.pending) {
            let dirs = op.dirs();
            if dirs.iter().any(|dir| closed.contains(dir)) || !mood.keeps(random) {
                closed.extend(dirs);
            } else {
                self.make_durable(op);
            }
        }
    }

    /// Each change on its own, but none without those before of the same name or of what had that name.
    fn crash_names_out_of_order(&mut self, mood: Mood, random: &mut SplitMix) {
        let mut lost_names: BTreeSet<(NodeId, String)> = BTreeSet::new();
        let mut lost_nodes: BTreeSet<NodeId> = BTreeSet::new();
        for (_, op) in std::mem::take(&mut self.pending) {
            let (names, node) = match op.clone() {
                NameOp::Link { dir, name, node } => (vec![(dir, name)], Some(node)),
                NameOp::Unlink { dir, name } => (vec![(dir, name)], None),
                NameOp::Move { from, to, node } => (vec![from, to], Some(node)),
            };
            let follows_lost = names.iter().any(|name| lost_names.contains(name))
                || node.is_some_and(|node| lost_nodes.contains(&node));
            if follows_lost || !mood.keeps(random) {
                lost_names.extend(names);
                lost_nodes.extend(node);
            } else {
                self.make_durable(op);
            }
        }
    }

    fn drop_unreachable(&mut self) {
        let mut reachable = BTreeSet::from([ROOT]);
        let mut dirs = vec![ROOT];
        while let Some(dir) = dirs.pop() {
            if let Some(Node::Dir(dir)) = self.nodes.get(&dir) {
                for node in dir.durable.values() {
                    if reachable.insert(*node) {
                        dirs.push(*node);
                    }
                }
            }
        }
        self.nodes.retain(|node, _| reachable.contains(node));
    }
}

fn crash_file(file: &mut FileNode, mood: Mood, random: &mut SplitMix) {
    let mut lengths_survive = true;
    // Lengths are logged in order: a durable one proves those before it.
    let proven = file
        .pending
        .iter()
        .rposition(|op| op.durability == Durability::Durable && op.changes_len());
    for (at, op) in std::mem::take(&mut file.pending).into_iter().enumerate() {
        let certain = op.durability == Durability::Durable;
        if op.changes_len() {
            let proven = proven.is_some_and(|proven| at <= proven);
            lengths_survive = proven || (lengths_survive && mood.keeps(random));
        }
        match op.change {
            Change::SetLen(len) => {
                if lengths_survive {
                    file.durable.set_len(len);
                }
            }
            Change::Write {
                position,
                bytes,
                extends,
            } => {
                if extends && lengths_survive {
                    let end = position + bytes.len() as u64;
                    let len = file.durable.len().max(end);
                    file.durable.set_len(len);
                }
                match op.durability {
                    Durability::Lost => {}
                    _ if certain => file.durable.write(position, &bytes),
                    _ => tear(&mut file.durable, position, &bytes, mood, random),
                }
            }
        }
    }
    for (_, (position, bytes)) in std::mem::take(&mut file.in_flight) {
        let end = position + bytes.len() as u64;
        if end > file.durable.len() && lengths_survive && mood.keeps(random) {
            file.durable.set_len(end);
        }
        tear(&mut file.durable, position, &bytes, mood, random);
    }
    file.visible = file.durable.clone();
}

/// Keeps, loses or tears a write.
fn tear(content: &mut Content, position: u64, bytes: &[u8], mood: Mood, random: &mut SplitMix) {
    let chance = match mood {
        Mood::KeepAll => 1.0,
        Mood::LoseAll => 0.0,
        Mood::Mixed => [0.0, 0.5, 1.0][random.below(3) as usize],
    };
    scatter(content, position, bytes, chance, random);
}

/// Writes each sector with a chance of its own, as far as the file reaches.
pub(super) fn scatter(
    content: &mut Content,
    position: u64,
    bytes: &[u8],
    chance: f64,
    random: &mut SplitMix,
) {
    // Sectors are those of the disk, not of the write.
    let mut done = 0;
    while done < bytes.len() {
        let at = position + done as u64;
        let count = (SECTOR - (at % SECTOR as u64) as usize).min(bytes.len() - done);
        if random.chance(chance) {
            content.write_within(at, &bytes[done..done + count]);
        }
        done += count;
    }
}
