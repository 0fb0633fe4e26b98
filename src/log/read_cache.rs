//! Hot path: fetch. What was read from segments, in pieces that many consumers share.

use super::FileError;
use super::segment::SharedFile;
use crate::base::ids::{Offset, TopicPartition};
use crate::base::time::Monotonic;
use crate::rt::{self, disk::ReadBuf, sync::Budget, sync::Event};
use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::path::Path;
use std::rc::Rc;
use std::time::Duration;

/// Size and alignment of a piece, in bytes. Large enough that a disk gives its full rate with the few that a fetch asks for
/// at once; small enough that a shard's budget holds many.
pub(super) const PIECE_BYTES: u64 = 256 << 10;

/// Reads under way beyond which nothing is read ahead: the disk is busy, and who waits for a piece now would wait longer.
const BUSY_READS: usize = 32;

/// Reads that the disk is given at the same time: enough for its full rate, also from a single consumer.
const READS_AT_ONCE: usize = 32;

/// How many times fewer they are while producers write: one. What a producer waits for stands in the disk's queue behind what
/// consumers of old records have asked for, and one read of this size at a time still gets most of a disk's rate.
const FEWER_BESIDE_WRITES: usize = READS_AT_ONCE;

/// For so long after a write that producers wait for they count as writing.
const WRITES_LATELY: Duration = Duration::from_millis(100);

/// Which piece of which segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct PieceKey {
    pub partition: TopicPartition,
    pub segment: Offset,
    /// The segment's version.
    pub version: u32,
    /// Index of the piece in the file.
    pub piece: u64,
}

/// The pieces of a shard, least recently used first to go.
#[derive(Clone, Debug)]
pub(super) struct ReadCache(Rc<Inner>);

#[derive(Debug)]
struct Inner {
    budget_bytes: usize,
    at_once: Budget,
    last_write: Cell<Option<Monotonic>>,
    pieces: RefCell<Pieces>,
}

#[derive(Debug, Default)]
struct Pieces {
    by_key: BTreeMap<PieceKey, Piece>,
    /// The same by when they were last asked for.
    by_use: BTreeMap<u64, PieceKey>,
    clock: u64,
    /// What is loaded.
    bytes: usize,
    /// Reads under way.
    reads: usize,
    /// Pieces read ahead that nobody has asked for yet.
    ahead: usize,
}

#[derive(Debug)]
struct Piece {
    used: u64,
    ahead: bool,
    state: PieceState,
}

#[derive(Clone, Debug)]
enum PieceState {
    Ready(ReadBuf),
    Loading(Event),
}

/// For whom a piece is looked up.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Asked {
    Now,
    Ahead,
}

impl PieceState {
    fn len(&self) -> usize {
        match self {
            PieceState::Ready(bytes) => bytes.len(),
            PieceState::Loading(_) => 0,
        }
    }
}

impl Pieces {
    fn tick(&mut self) -> u64 {
        self.clock += 1;
        self.clock
    }

    fn look_up(&mut self, key: PieceKey, needed: usize, asked: Asked) -> Option<PieceState> {
        let now = self.tick();
        let piece = self.by_key.get_mut(&key)?;
        if matches!(&piece.state, PieceState::Ready(bytes) if bytes.len() < needed) {
            // The segment has grown since.
            return None;
        }
        self.by_use.remove(&std::mem::replace(&mut piece.used, now));
        self.by_use.insert(now, key);
        if asked == Asked::Now && std::mem::take(&mut piece.ahead) {
            self.ahead -= 1;
        }
        Some(piece.state.clone())
    }

    fn insert(&mut self, key: PieceKey, loading: Event, asked: Asked) {
        self.remove(key);
        let used = self.tick();
        self.by_use.insert(used, key);
        self.reads += 1;
        let ahead = asked == Asked::Ahead;
        self.ahead += usize::from(ahead);
        let state = PieceState::Loading(loading);
        self.by_key.insert(key, Piece { used, ahead, state });
    }

    fn remove(&mut self, key: PieceKey) {
        if let Some(piece) = self.by_key.remove(&key) {
            self.by_use.remove(&piece.used);
            self.bytes -= piece.state.len();
            self.ahead -= usize::from(piece.ahead);
        }
    }

    /// A piece has been read, or could not be. One that was forgotten or begun anew meanwhile stays as it is.
    fn loaded(&mut self, key: PieceKey, loading: &Event, bytes: Option<ReadBuf>) {
        self.reads -= 1;
        let Some(piece) = self.by_key.get_mut(&key) else {
            return;
        };
        if !matches!(&piece.state, PieceState::Loading(event) if event.is(loading)) {
            return;
        }
        match bytes {
            Some(bytes) => {
                self.bytes += bytes.len();
                piece.state = PieceState::Ready(bytes);
            }
            None => self.remove(key),
        }
    }

    fn evict(&mut self, budget_bytes: usize) {
        while self.bytes > budget_bytes {
            let oldest = self
                .by_use
                .values()
                .find(|key| self.by_key[key].state.len() > 0)
                .copied();
            let Some(oldest) = oldest else { return };
            self.remove(oldest);
        }
    }
}

impl ReadCache {
    pub fn new(budget_bytes: usize) -> ReadCache {
        ReadCache(Rc::new(Inner {
            budget_bytes,
            at_once: Budget::new(READS_AT_ONCE),
            last_write: Cell::new(None),
            pieces: RefCell::default(),
        }))
    }

    /// The piece, with at least its first `needed` bytes (of which the file has that many).
    pub async fn get(
        &self,
        key: PieceKey,
        needed: usize,
        file: &SharedFile,
        path: &Path,
    ) -> Result<ReadBuf, FileError> {
        let mut reads = 0;
        loop {
            let found = self.0.pieces.borrow_mut().look_up(key, needed, Asked::Now);
            let loading = match found {
                Some(PieceState::Ready(piece)) => return Ok(piece),
                Some(PieceState::Loading(loaded)) => loaded,
                None if reads > 0 => break,
                None => {
                    reads += 1;
                    self.start(key, needed, file, Asked::Now)
                }
            };
            loading.wait().await;
        }
        // It failed, or was pushed out at once: read for this caller alone, who gets the error.
        let position = key.piece * PIECE_BYTES;
        let read = file.read_at(position, PIECE_BYTES as usize).await;
        let piece = read.map_err(|e| FileError::new(path, "read", &e))?;
        if piece.len() < needed {
            let short = std::io::Error::new(std::io::ErrorKind::UnexpectedEof, "the file has become shorter");
            return Err(FileError::new(path, "read", &short));
        }
        Ok(piece)
    }

    /// Begins to read a piece that is needed at once, unless it is there.
    pub fn begin(&self, key: PieceKey, needed: usize, file: &SharedFile) {
        let found = self.0.pieces.borrow_mut().look_up(key, needed, Asked::Now);
        if found.is_none() {
            self.start(key, needed, file, Asked::Now);
        }
    }

    /// Begins to read a piece that will probably be needed, unless it is there. False if the disk is busy, or if so much has
    /// been read ahead and not been asked for yet that more would push it out before it is used.
    pub fn read_ahead(&self, key: PieceKey, needed: usize, file: &SharedFile) -> bool {
        let mut pieces = self.0.pieces.borrow_mut();
        if pieces.look_up(key, needed, Asked::Ahead).is_some() {
            return true;
        }
        let room =
            pieces.reads < BUSY_READS && pieces.ahead * (PIECE_BYTES as usize) < self.0.budget_bytes / 2;
        drop(pieces);
        if room {
            self.start(key, needed, file, Asked::Ahead);
        }
        room
    }

    /// Reads in a task of its own: who asked may go away, others may wait.
    fn start(&self, key: PieceKey, readable: usize, file: &SharedFile, asked: Asked) -> Event {
        let loading = Event::new();
        self.0.pieces.borrow_mut().insert(key, loading.clone(), asked);
        let (cache, file, event) = (self.clone(), file.clone(), loading.clone());
        rt::spawn(async move {
            let turn = cache.0.at_once.take(cache.share_of_disk()).await;
            let read = file.read_at(key.piece * PIECE_BYTES, PIECE_BYTES as usize).await;
            drop(turn);
            // An error shows to whoever reads again.
            // What stands behind the readable part now (padding, a write under way) is not what will be read there.
            let bytes = read.ok().map(|bytes| bytes.slice(..readable.min(bytes.len())));
            let mut pieces = cache.0.pieces.borrow_mut();
            pieces.loaded(key, &event, bytes);
            pieces.evict(cache.0.budget_bytes);
            drop(pieces);
            event.notify_all();
        });
        loading
    }

    /// How much of what the disk may be given a read takes now.
    fn share_of_disk(&self) -> usize {
        let lately = |write: Monotonic| rt::now().since(write) < WRITES_LATELY;
        match self.0.last_write.get().is_some_and(lately) {
            true => FEWER_BESIDE_WRITES,
            false => 1,
        }
    }

    /// Producers wait for a write that begins now.
    pub fn note_write(&self) {
        self.0.last_write.set(Some(rt::now()));
    }

    /// Forgets a partition that is gone.
    pub fn forget_partition(&self, partition: TopicPartition) {
        self.forget(partition, (Offset(i64::MIN), 0), (Offset(i64::MAX), u32::MAX));
    }

    /// Forgets a segment that has been replaced.
    pub fn forget_segment(&self, partition: TopicPartition, base: Offset, version: u32) {
        self.forget(partition, (base, version), (base, version));
    }

    fn forget(&self, partition: TopicPartition, first: (Offset, u32), last: (Offset, u32)) {
        let key = |(segment, version), piece| PieceKey {
            partition,
            segment,
            version,
            piece,
        };
        let (first, last) = (key(first, 0), key(last, u64::MAX));
        let mut pieces = self.0.pieces.borrow_mut();
        let keys: Vec<_> = pieces.by_key.range(first..=last).map(|(key, _)| *key).collect();
        keys.into_iter().for_each(|key| pieces.remove(key));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::ids::TopicId;

    fn key(piece: u64) -> PieceKey {
        PieceKey {
            partition: TopicPartition {
                topic: TopicId::ZERO,
                partition: 0,
            },
            segment: Offset(0),
            version: 0,
            piece,
        }
    }

    fn bytes(len: usize) -> Option<ReadBuf> {
        Some(vec![0; len].into())
    }

    #[test]
    fn what_was_not_asked_for_lately_goes_first() {
        let mut pieces = Pieces::default();
        for piece in 0..3 {
            let read = Event::new();
            pieces.insert(key(piece), read.clone(), Asked::Now);
            pieces.loaded(key(piece), &read, bytes(4096));
        }
        let under_way = Event::new();
        pieces.insert(key(3), under_way, Asked::Now);
        assert!(pieces.look_up(key(0), 4096, Asked::Now).is_some());
        pieces.evict(2 * 4096);
        assert_eq!(
            pieces.by_key.keys().map(|k| k.piece).collect::<Vec<_>>(),
            [0, 2, 3]
        );
        assert_eq!(
            (pieces.bytes, pieces.reads, pieces.by_use.len()),
            (2 * 4096, 1, 3)
        );
    }

    #[test]
    fn a_piece_counts_as_ahead_until_it_is_asked_for() {
        let mut pieces = Pieces::default();
        let reads = [Event::new(), Event::new()];
        pieces.insert(key(0), reads[0].clone(), Asked::Ahead);
        pieces.insert(key(1), reads[1].clone(), Asked::Ahead);
        assert_eq!((pieces.ahead, pieces.reads), (2, 2));
        pieces.look_up(key(0), 1, Asked::Ahead);
        assert_eq!(pieces.ahead, 2);
        pieces.look_up(key(0), 1, Asked::Now);
        pieces.look_up(key(0), 1, Asked::Now);
        assert_eq!(pieces.ahead, 1);
        pieces.loaded(key(0), &reads[0], bytes(4096));
        pieces.loaded(key(1), &reads[1], None);
        assert_eq!((pieces.ahead, pieces.reads, pieces.by_key.len()), (0, 0, 1));
    }

    #[test]
    fn a_read_that_ends_after_its_piece_was_forgotten_changes_nothing() {
        let mut pieces = Pieces::default();
        let (old, new) = (Event::new(), Event::new());
        pieces.insert(key(0), old.clone(), Asked::Now);
        pieces.remove(key(0));
        pieces.loaded(key(0), &old, bytes(4096));
        assert_eq!((pieces.bytes, pieces.reads, pieces.by_key.len()), (0, 0, 0));
        pieces.insert(key(0), old.clone(), Asked::Now);
        pieces.insert(key(0), new.clone(), Asked::Now);
        pieces.loaded(key(0), &old, bytes(4096));
        assert!(matches!(
            pieces.look_up(key(0), 1, Asked::Now),
            Some(PieceState::Loading(_))
        ));
        pieces.loaded(key(0), &new, bytes(4096));
        assert!(
            pieces.look_up(key(0), 4097, Asked::Now).is_none(),
            "the segment has grown"
        );
        assert_eq!((pieces.bytes, pieces.reads), (4096, 0));
    }
}
