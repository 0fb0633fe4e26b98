//! A file: what can be read, what is durable, and what lies between.

use super::content::Content;
use std::collections::{BTreeMap, VecDeque};
use std::rc::Rc;

#[derive(Default)]
pub(super) struct FileNode {
    pub(super) visible: Content,
    pub(super) durable: Content,
    /// What was done and is not in `durable` yet, in order.
    pub(super) pending: VecDeque<FileOp>,
    /// Writes that were started, by number.
    pub(super) in_flight: BTreeMap<u64, (u64, Rc<[u8]>)>,
}

pub(super) struct FileOp {
    pub(super) number: u64,
    pub(super) change: Change,
    pub(super) durability: Durability,
}

pub(super) enum Change {
    Write {
        position: u64,
        bytes: Rc<[u8]>,
        extends: bool,
    },
    SetLen(u64),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Durability {
    /// A crash decides.
    Pending,
    /// Survives, and waits only for those before it.
    Durable,
    /// A sync failed: readable, but lost with the next crash, whatever is synced later.
    Lost,
}

impl FileNode {
    /// A write is done.
    pub(super) fn write(&mut self, number: u64, position: u64, bytes: Rc<[u8]>, durability: Durability) {
        let extends = position + bytes.len() as u64 > self.visible.len();
        self.visible.write(position, &bytes);
        self.push(FileOp {
            number,
            change: Change::Write {
                position,
                bytes,
                extends,
            },
            durability,
        });
    }

    pub(super) fn set_len(&mut self, number: u64, len: u64) {
        self.visible.set_len(len);
        self.push(FileOp {
            number,
            change: Change::SetLen(len),
            durability: Durability::Pending,
        });
    }

    /// Makes durable what has a lower number than `before`.
    pub(super) fn sync(&mut self, before: u64) {
        for op in &mut self.pending {
            if op.number < before && op.durability == Durability::Pending {
                op.durability = Durability::Durable;
            }
        }
        self.settle();
    }

    /// Loses some of what a sync was for.
    pub(super) fn fail_sync(&mut self, before: u64, mut is_lost: impl FnMut() -> bool) {
        for op in &mut self.pending {
            let is_write = matches!(op.change, Change::Write { .. });
            if op.number < before && is_write && op.durability == Durability::Pending && is_lost() {
                op.durability = Durability::Lost;
            }
        }
    }

    fn push(&mut self, op: FileOp) {
        // A length that is durable makes durable the lengths before it: they are in one log.
        if op.durability == Durability::Durable && op.changes_len() {
            for earlier in &mut self.pending {
                if matches!(earlier.change, Change::SetLen(_)) {
                    earlier.durability = Durability::Durable;
                }
            }
        }
        self.pending.push_back(op);
        self.settle();
    }

    /// Moves what is certain into the durable content.
    fn settle(&mut self) {
        while let Some(op) = self.pending.front() {
            match op.durability {
                Durability::Pending => return,
                Durability::Durable => {
                    let op = self.pending.pop_front().expect("there is a front");
                    match op.change {
                        Change::Write { position, bytes, .. } => self.durable.write(position, &bytes),
                        Change::SetLen(len) => self.durable.set_len(len),
                    }
                }
                Durability::Lost => {
                    let op = self.pending.pop_front().expect("there is a front");
                    // Its length is lost with it, unless a later one brings it back: then there are zeros.
                    drop(op);
                }
            }
        }
    }
}

impl FileOp {
    pub(super) fn changes_len(&self) -> bool {
        match self.change {
            Change::Write { extends, .. } => extends,
            Change::SetLen(_) => true,
        }
    }
}
