//! The room on the disk of a data directory: whether there is enough for what was appended, and the reserve for when there
//! is not.
//!
//! The reserve is a file that holds disk space and no bytes. When the disk is full it is removed: group offsets, checkpoints
//! and the changes that make room again (deleting a topic or records) find that space. When there is room it is made again,
//! and only then records are taken again.

use super::file_names::RESERVE;
use crate::rt::disk::{self, File, OpenOptions, blocking};
use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};
use tracing::{error, info, warn};

/// On a small disk the reserve is this part of it at most.
const SMALLEST_PART: u64 = 16;

/// What a shard needs to know for a look at its disk.
#[derive(Clone, Copy, Debug)]
pub(super) struct Need {
    /// The shard.
    pub shard: u16,
    /// How much is to be kept in reserve, on a disk that is large enough.
    pub reserve_bytes: u64,
    /// What the shard has appended and not written to segments.
    pub unwritten_bytes: u64,
}

/// What was seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Look {
    /// Whether records are refused.
    pub full: bool,
    /// What can be written now, in bytes.
    pub left_bytes: u64,
    /// How much is kept in reserve on this disk, in bytes.
    pub reserve_bytes: u64,
}

/// One per data directory, shared by the shards and the control thread. Nothing on the way of a record locks it.
#[derive(Debug)]
pub(super) struct DiskRoom {
    dir: PathBuf,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    full: bool,
    reserve: Reserve,
    /// By shard.
    unwritten: BTreeMap<u16, u64>,
    times_full: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Reserve {
    /// Not looked at since the start.
    Unknown,
    Absent,
    /// Somebody makes or removes it.
    Busy,
    There(u64),
    /// The file system does not reserve space.
    Unsupported,
}

impl DiskRoom {
    /// Nobody has looked at the disk.
    pub fn unseen(dir: &Path) -> DiskRoom {
        DiskRoom {
            dir: dir.to_path_buf(),
            state: Mutex::new(State {
                full: false,
                reserve: Reserve::Unknown,
                unwritten: BTreeMap::new(),
                times_full: 0,
            }),
        }
    }

    /// Looks at the disk when the server starts: one that is full gets its reserve back, or the start would fail.
    pub fn open(dir: &Path) -> DiskRoom {
        let room = Self::unseen(dir);
        // Whoever needs the space finds out again; this is only to have it in time.
        if let Ok(space) = blocking::space(dir)
            && space.usable_bytes < reserve_bytes(u64::MAX, space.total_bytes) / 2
            && space.usable_bytes < START_BYTES
        {
            room.give_back_blocking();
        }
        room
    }

    /// Whether records are refused.
    pub fn is_full(&self) -> bool {
        self.lock().full
    }

    /// How often the disk has become full since the start.
    pub fn times_full(&self) -> u64 {
        self.lock().times_full
    }

    /// Looks at the disk, and decides whether records are taken.
    pub async fn look(&self, need: Need) -> io::Result<Look> {
        let space = disk::space(&self.dir).await?;
        let wanted = reserve_bytes(need.reserve_bytes, space.total_bytes);
        if self.lock().reserve == Reserve::Unknown {
            self.make(wanted).await;
        }
        let space = disk::space(&self.dir).await?;
        let (is_low, may_end) = {
            let mut state = self.lock();
            state.unwritten.insert(need.shard, need.unwritten_bytes);
            let kept = match state.reserve {
                Reserve::There(bytes) => bytes,
                _ => 0,
            };
            // What was acknowledged must find room in its segment, so it counts as if it were there.
            let unwritten: u64 = state.unwritten.values().sum();
            let available = (space.usable_bytes + kept).saturating_sub(unwritten);
            // They are apart, so that a disk at the brink does not change from one to the other all the time.
            (available < wanted + wanted / 8, available >= 2 * wanted)
        };
        let full = self.is_full();
        if !full && is_low {
            self.fill(&format!("{} bytes are left", space.usable_bytes));
            self.give_back().await;
        } else if full && may_end && self.make(wanted).await {
            self.lock().full = false;
            info!(dir = %self.dir.display(), "the disk has room again: records are taken");
        }
        let left = match self.is_full() && !full {
            true => disk::space(&self.dir).await?,
            false => space,
        };
        Ok(Look {
            full: self.is_full(),
            left_bytes: left.usable_bytes,
            reserve_bytes: wanted,
        })
    }

    /// Something found no room. True if the reserve was given back, so that a second try may find it.
    pub async fn hit(&self, what: &dyn std::fmt::Display) -> bool {
        self.fill(what);
        self.give_back().await
    }

    /// The same, for the control thread. Blocks.
    pub fn hit_blocking(&self, what: &dyn std::fmt::Display) -> bool {
        self.fill(what);
        self.give_back_blocking()
    }

    fn fill(&self, what: &dyn std::fmt::Display) {
        let first = {
            let mut state = self.lock();
            let first = !std::mem::replace(&mut state.full, true);
            state.times_full += u64::from(first);
            first
        };
        if first {
            error!(
                dir = %self.dir.display(),
                %what,
                "the disk is full: no records are taken until there is room; reads, group offsets and changes of the cluster go on"
            );
        }
    }

    /// Claims the reserve, to do something with it.
    fn claim(&self, wanted: impl FnOnce(Reserve) -> bool) -> Option<Reserve> {
        let mut state = self.lock();
        let before = state.reserve;
        wanted(before).then(|| std::mem::replace(&mut state.reserve, Reserve::Busy))
    }

    async fn give_back(&self) -> bool {
        let claimed = self.claim(|reserve| matches!(reserve, Reserve::There(_) | Reserve::Unknown));
        if claimed.is_none() {
            return false;
        }
        let removed = disk::remove_file(self.dir.join(RESERVE)).await;
        self.given_back(removed)
    }

    fn give_back_blocking(&self) -> bool {
        let claimed = self.claim(|reserve| matches!(reserve, Reserve::There(_) | Reserve::Unknown));
        if claimed.is_none() {
            return false;
        }
        let removed = blocking::remove_file(self.dir.join(RESERVE));
        self.given_back(removed)
    }

    fn given_back(&self, removed: io::Result<()>) -> bool {
        self.lock().reserve = Reserve::Absent;
        match removed {
            Err(e) if e.kind() != io::ErrorKind::NotFound => {
                warn!(dir = %self.dir.display(), error = %e, "the reserve can't be removed");
                false
            }
            removed => removed.is_ok(),
        }
    }

    /// Makes the reserve. True if it is there, or can't be on this file system.
    async fn make(&self, bytes: u64) -> bool {
        let claimed = self.claim(|reserve| matches!(reserve, Reserve::Absent | Reserve::Unknown));
        if claimed.is_none() {
            return matches!(self.lock().reserve, Reserve::There(_) | Reserve::Unsupported);
        }
        let path = self.dir.join(RESERVE);
        match reserve(&path, bytes).await {
            Ok(()) => self.lock().reserve = Reserve::There(bytes),
            Err(e) if is_no_room(&e) => {
                // A part of it helps nobody.
                let _ = disk::remove_file(&path).await;
                self.lock().reserve = Reserve::Absent;
                return false;
            }
            Err(e) => {
                warn!(path = %path.display(), error = %e, "no space can be reserved here: on a full disk changes may fail too");
                let _ = disk::remove_file(&path).await;
                self.lock().reserve = Reserve::Unsupported;
            }
        }
        true
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // A panic with the lock held ends the process; in tests the state is whole between statements.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A start writes less than this before it looks at its disk: the metadata's snapshot, and small files.
const START_BYTES: u64 = 32 << 20;

/// How large the reserve is on a disk.
fn reserve_bytes(wanted: u64, total_bytes: u64) -> u64 {
    wanted.min(total_bytes / SMALLEST_PART).next_multiple_of(4096)
}

/// Whether an operation failed for want of space, which may come back.
pub(super) fn is_no_room(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded
    )
}

/// Space without bytes: the file's length stays 0.
async fn reserve(path: &Path, bytes: u64) -> io::Result<()> {
    let options = OpenOptions {
        write: true,
        create: true,
        ..OpenOptions::default()
    };
    let file = File::open(path, &options).await?;
    let reserved = file.preallocate(bytes).await;
    file.close().await?;
    reserved
}
