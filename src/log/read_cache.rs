//! Hot path: fetch. What was read from segments, in pieces that many consumers share.

use super::FileError;
use super::segment::SharedFile;
use crate::base::ids::{Offset, TopicPartition};
use crate::rt::{self, disk::ReadBuf, sync::Event};
use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::path::Path;
use std::rc::Rc;

/// Size and alignment of a piece, in bytes. Large enough that a disk gives its full rate with the few that a fetch asks for
/// at once; small enough that a shard's budget holds many.
pub(super) const PIECE_BYTES: u64 = 256 << 10;

/// Which piece of which segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct PieceKey {
    pub partition: TopicPartition,
    pub segment: Offset,
    /// Index of the piece in the file.
    pub piece: u64,
}

/// The pieces of a shard, least recently used first to go.
#[derive(Clone, Debug)]
pub(super) struct ReadCache(Rc<Inner>);

#[derive(Debug)]
struct Inner {
    budget_bytes: usize,
    clock: Cell<u64>,
    bytes: Cell<usize>,
    pieces: RefCell<BTreeMap<PieceKey, Piece>>,
}

#[derive(Debug)]
struct Piece {
    used: u64,
    state: PieceState,
}

#[derive(Debug)]
enum PieceState {
    Ready(ReadBuf),
    Loading(Event),
}

impl ReadCache {
    pub fn new(budget_bytes: usize) -> ReadCache {
        ReadCache(Rc::new(Inner {
            budget_bytes,
            clock: Cell::new(0),
            bytes: Cell::new(0),
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
            let loading = match self.look_up(key, needed) {
                Some(PieceState::Ready(piece)) => return Ok(piece),
                Some(PieceState::Loading(loaded)) => loaded,
                None if reads > 0 => break,
                None => {
                    reads += 1;
                    self.start(key, needed, file)
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

    /// Begins to read a piece that will be needed, unless it is there.
    pub fn prefetch(&self, key: PieceKey, needed: usize, file: &SharedFile) {
        if self.look_up(key, needed).is_none() {
            self.start(key, needed, file);
        }
    }

    fn look_up(&self, key: PieceKey, needed: usize) -> Option<PieceState> {
        let now = self.0.clock.get() + 1;
        self.0.clock.set(now);
        let mut pieces = self.0.pieces.borrow_mut();
        let piece = pieces.get_mut(&key)?;
        piece.used = now;
        match &piece.state {
            PieceState::Ready(bytes) if bytes.len() >= needed => Some(PieceState::Ready(bytes.clone())),
            // The segment has grown since.
            PieceState::Ready(_) => None,
            PieceState::Loading(loaded) => Some(PieceState::Loading(loaded.clone())),
        }
    }

    /// Reads in a task of its own: who asked may go away, others may wait.
    fn start(&self, key: PieceKey, readable: usize, file: &SharedFile) -> Event {
        let loaded = Event::new();
        let used = self.0.clock.get();
        self.replace(
            key,
            Some(Piece {
                used,
                state: PieceState::Loading(loaded.clone()),
            }),
        );
        let (cache, file, event) = (self.clone(), file.clone(), loaded.clone());
        rt::spawn(async move {
            let read = file.read_at(key.piece * PIECE_BYTES, PIECE_BYTES as usize).await;
            // An error shows to whoever reads again.
            // What stands behind the readable part now (padding, a write under way) is not what will be read there.
            let ready = read
                .ok()
                .map(|bytes| bytes.slice(..readable.min(bytes.len())))
                .map(|bytes| Piece {
                    used,
                    state: PieceState::Ready(bytes),
                });
            cache.replace(key, ready);
            cache.evict();
            event.notify_all();
        });
        loaded
    }

    fn replace(&self, key: PieceKey, piece: Option<Piece>) {
        let bytes = |piece: &Piece| match &piece.state {
            PieceState::Ready(bytes) => bytes.len(),
            PieceState::Loading(_) => 0,
        };
        let mut pieces = self.0.pieces.borrow_mut();
        let added = piece.as_ref().map_or(0, bytes);
        let before = match piece {
            Some(piece) => pieces.insert(key, piece),
            None => pieces.remove(&key),
        };
        self.0
            .bytes
            .set(self.0.bytes.get() + added - before.as_ref().map_or(0, bytes));
    }

    fn evict(&self) {
        while self.0.bytes.get() > self.0.budget_bytes {
            let oldest = {
                let pieces = self.0.pieces.borrow();
                let ready = pieces
                    .iter()
                    .filter(|(_, p)| matches!(p.state, PieceState::Ready(_)));
                ready.min_by_key(|(_, p)| p.used).map(|(key, _)| *key)
            };
            let Some(oldest) = oldest else { return };
            self.replace(oldest, None);
        }
    }

    /// Forgets a partition that is gone.
    pub fn forget_partition(&self, partition: TopicPartition) {
        let first = PieceKey {
            partition,
            segment: Offset(i64::MIN),
            piece: 0,
        };
        let last = PieceKey {
            partition,
            segment: Offset(i64::MAX),
            piece: u64::MAX,
        };
        let keys: Vec<_> = self
            .0
            .pieces
            .borrow()
            .range(first..=last)
            .map(|(key, _)| *key)
            .collect();
        for key in keys {
            self.replace(key, None);
        }
    }
}
