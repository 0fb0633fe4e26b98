//! The ring of write-ahead log files of a shard: which file is written, which wait for their segments, which are free.
//!
//! Pure bookkeeping; `wal_files.rs` makes files, the committer writes frames, the flusher retires.

use super::FrameHeader;
use crate::base::ids::{Offset, TopicPartition};
use crate::log::file_names::{WalFileId, WalFileKind};
use crate::log::partition::PartitionLog;
use crate::rt::disk::File;
use std::collections::BTreeMap;
use std::rc::Rc;

/// The files of a shard and the numbers of its frames.
#[derive(Debug)]
pub(in crate::log) struct WalRing {
    run: u64,
    shard: u16,
    file_bytes: u64,
    slots: Vec<Slot>,
    current: Option<usize>,
    position: u64,
    next_frame: u64,
    next_use: u64,
}

#[derive(Debug)]
struct Slot {
    id: WalFileId,
    file: Rc<File>,
    state: SlotState,
    file_use: u64,
    first_frame: u64,
    /// What must be synced in segments before the file may be written again.
    covers: BTreeMap<TopicPartition, (Rc<PartitionLog>, Offset)>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum SlotState {
    Free,
    Current,
    Full,
    /// Out of the ring: it holds records of a partition whose segments failed, for the next start.
    Pinned,
}

/// Where a frame goes.
#[derive(Clone, Debug)]
pub(in crate::log) struct FramePlace {
    pub id: WalFileId,
    pub file: Rc<File>,
    pub position: u64,
    pub header: FrameHeader,
}

/// A file whose records have to be in segments before it is free.
#[derive(Debug)]
pub(in crate::log) struct Retiring {
    slot: usize,
    pub covers: Vec<(Rc<PartitionLog>, Offset)>,
}

impl WalRing {
    pub fn new(run: u64, shard: u16, file_bytes: u64) -> WalRing {
        WalRing {
            run,
            shard,
            file_bytes,
            slots: Vec::new(),
            current: None,
            position: 0,
            next_frame: 0,
            next_use: 0,
        }
    }

    /// The id a further file would get.
    pub fn next_id(&self) -> WalFileId {
        WalFileId {
            run: self.run,
            shard: self.shard,
            kind: WalFileKind::Ring,
            slot: self.slots.len() as u16,
        }
    }

    /// Adds a file, ready to be written.
    pub fn add(&mut self, file: File) {
        self.slots.push(Slot {
            id: self.next_id(),
            file: Rc::new(file),
            state: SlotState::Free,
            file_use: 0,
            first_frame: 0,
            covers: BTreeMap::new(),
        });
    }

    /// Whether a frame of `bytes` fits the current file, after going on to a free one if it does not.
    pub fn make_room(&mut self, bytes: u64) -> bool {
        if self.current.is_some() && self.position + bytes <= self.file_bytes {
            return true;
        }
        let Some(free) = self.slots.iter().position(|s| s.state == SlotState::Free) else {
            self.close_the_only_one();
            return false;
        };
        if let Some(full) = self.current.replace(free) {
            self.slots[full].state = SlotState::Full;
        }
        let slot = &mut self.slots[free];
        slot.state = SlotState::Current;
        slot.file_use = self.next_use;
        slot.first_frame = self.next_frame;
        assert!(slot.covers.is_empty());
        self.next_use += 1;
        self.position = 0;
        bytes <= self.file_bytes
    }

    /// Where no other file waits for its segments, as in a ring for whose second file the disk has no room, nothing but the
    /// current file can become free.
    fn close_the_only_one(&mut self) {
        if self.oldest_full().is_none()
            && let Some(current) = self.current.take()
        {
            self.slots[current].state = SlotState::Full;
        }
    }

    /// Takes the place of the next frame in the current file; there is room.
    pub fn place(&mut self, bytes: u64, durable_below: u64) -> FramePlace {
        let retired_below = self.retired_below();
        let slot = &self.slots[self.current.expect("room was made")];
        assert!(self.position + bytes <= self.file_bytes);
        let header = FrameHeader {
            run: self.run,
            shard: self.shard,
            file_use: slot.file_use,
            frame: self.next_frame,
            durable_below,
            retired_below,
            frame_bytes: bytes as u32,
            entries: 0,
            payload_bytes: 0,
            directory_crc: 0,
        };
        let place = FramePlace {
            id: slot.id,
            file: slot.file.clone(),
            position: self.position,
            header,
        };
        self.position += bytes;
        self.next_frame += 1;
        place
    }

    /// Notes that the current file holds records of a partition up to `end`.
    pub fn cover(&mut self, partition: &Rc<PartitionLog>, end: Offset) {
        let slot = &mut self.slots[self.current.expect("a frame was placed")];
        slot.covers
            .entry(partition.id())
            .and_modify(|(_, covered)| *covered = end.max(*covered))
            .or_insert_with(|| (partition.clone(), end));
    }

    /// No frame below this is needed any more, but for those in files out of the ring.
    fn retired_below(&self) -> u64 {
        self.needed_without(None)
    }

    /// The same when this file will be out of the ring too, or free.
    pub fn retired_below_after(&self, retiring: &Retiring) -> u64 {
        self.needed_without(Some(retiring.slot))
    }

    fn needed_without(&self, slot: Option<usize>) -> u64 {
        let held = |s: &Slot| matches!(s.state, SlotState::Current | SlotState::Full);
        let others = self
            .slots
            .iter()
            .enumerate()
            .filter(|(i, s)| Some(*i) != slot && held(s));
        others
            .map(|(_, s)| s.first_frame)
            .min()
            .unwrap_or(self.next_frame)
    }

    /// How many files could be made current now.
    pub fn free(&self) -> usize {
        self.slots.iter().filter(|s| s.state == SlotState::Free).count()
    }

    /// How many files there are, without those that can't be used again.
    pub fn usable(&self) -> usize {
        self.slots.iter().filter(|s| s.state != SlotState::Pinned).count()
    }

    /// The full file that was begun first.
    pub fn oldest_full(&self) -> Option<Retiring> {
        let full = self
            .slots
            .iter()
            .enumerate()
            .filter(|(_, s)| s.state == SlotState::Full);
        let (slot, oldest) = full.min_by_key(|(_, s)| s.file_use)?;
        Some(Retiring {
            slot,
            covers: oldest.covers.values().cloned().collect(),
        })
    }

    /// The file is free: all it covers is synced, and the checkpoint files say so.
    pub fn retired(&mut self, retiring: Retiring) {
        let slot = &mut self.slots[retiring.slot];
        assert_eq!(slot.state, SlotState::Full);
        slot.covers.clear();
        slot.state = SlotState::Free;
    }

    /// The file of a slot.
    pub fn id_of(&self, retiring: &Retiring) -> WalFileId {
        self.slots[retiring.slot].id
    }

    /// The file was taken out of the ring: a partition it covers can't be synced.
    pub fn pinned(&mut self, retiring: Retiring) {
        let slot = &mut self.slots[retiring.slot];
        slot.state = SlotState::Pinned;
        slot.covers.clear();
    }

    /// The ring's files, when the shard shuts down.
    pub fn take_files(&mut self) -> Vec<(WalFileId, Rc<File>)> {
        self.current = None;
        let ring = self.slots.drain(..).filter(|s| s.state != SlotState::Pinned);
        ring.map(|s| (s.id, s.file)).collect()
    }

    /// Forgets a partition that was deleted, so that nothing waits for it and its memory is free.
    pub fn forget(&mut self, partition: TopicPartition) {
        for slot in &mut self.slots {
            slot.covers.remove(&partition);
        }
    }
}
