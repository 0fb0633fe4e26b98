//! A shard's eye on the room of its disk. Hot path: `appended` and `refuses`.

use super::data_dir::DataDir;
use super::disk_room::Need;
use super::partition::AppendOrigin;
use super::{FileError, ShardLogOptions};
use crate::rt::{self, sync::Event, sync::Wait};
use std::cell::Cell;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;
use tracing::warn;

/// How often the disk is looked at, beside after so many bytes appended: others may fill it too.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// How often when it is full: this long records are refused after there is room.
const LOOK_EVERY_WHEN_FULL: Duration = Duration::from_millis(250);
/// It is looked at after this part of the reserve was appended.
const LOOK_PART: u64 = 16;

/// What a shard knows of the room on its disk, as of the last look.
pub(super) struct RoomWatch {
    data_dir: Arc<DataDir>,
    shard: u16,
    wanted_reserve_bytes: u64,
    reserve_bytes: Cell<u64>,
    full: Cell<bool>,
    /// The write-ahead log's files are used up and can't be freed, or made.
    stuck: Cell<bool>,
    leaving: Cell<bool>,
    left_bytes: Cell<u64>,
    /// Appended and not in a segment's file.
    unwritten_bytes: Cell<u64>,
    appended_since_look: Cell<u64>,
    looks: Cell<u64>,
    look_due: Event,
    looked: Event,
}

impl RoomWatch {
    pub fn new(options: &ShardLogOptions) -> RoomWatch {
        RoomWatch {
            data_dir: options.data_dir.clone(),
            shard: options.shard.0,
            wanted_reserve_bytes: options.disk_reserve_bytes,
            reserve_bytes: Cell::new(options.disk_reserve_bytes),
            full: Cell::new(options.data_dir.room().is_full()),
            stuck: Cell::new(false),
            leaving: Cell::new(false),
            left_bytes: Cell::new(u64::MAX),
            unwritten_bytes: Cell::new(0),
            appended_since_look: Cell::new(0),
            looks: Cell::new(0),
            look_due: Event::new(),
            looked: Event::new(),
        }
    }

    /// Whether an append is refused. Coordinators write little and to the reserve, as long as the write-ahead log has room.
    pub fn refuses(&self, origin: AppendOrigin) -> bool {
        self.stuck.get() || (self.full.get() && origin == AppendOrigin::Client)
    }

    /// Whether the disk is full.
    pub fn is_full(&self) -> bool {
        self.full.get()
    }

    /// Accounts for an append.
    pub fn appended(&self, bytes: usize) {
        let appended = self.appended_since_look.get() + bytes as u64;
        self.appended_since_look.set(appended);
        if appended >= self.reserve_bytes.get() / LOOK_PART {
            self.appended_since_look.set(0);
            self.look_due.notify_all();
        }
    }

    /// A tail has grown, by an append or by recovery.
    pub fn grown(&self, bytes: usize) {
        self.unwritten_bytes
            .set(self.unwritten_bytes.get() + bytes as u64);
    }

    /// So much of a tail is in its segment, or never will be because the partition is gone.
    pub fn written(&self, bytes: u64) {
        self.unwritten_bytes.set(self.unwritten_bytes.get() - bytes);
        self.left_bytes.set(self.left_bytes.get().saturating_sub(bytes));
    }

    /// Whether the last of the room is kept from this write: it is in the write-ahead log, and can wait. Half of the
    /// reserve is for tails, which the write-ahead log needs to get rid of; half for offsets and metadata.
    pub fn holds_back(&self) -> bool {
        self.full.get() && self.left_bytes.get() < self.reserve_bytes.get() / 2
    }

    /// Whether a file of this size can be made and leaves what is reserved.
    pub fn has_room_for(&self, bytes: u64) -> bool {
        self.left_bytes.get() >= bytes.saturating_add(self.reserve_bytes.get())
    }

    /// The write-ahead log waits for room, or not any more.
    pub fn set_stuck(&self, stuck: bool) {
        self.stuck.set(stuck);
    }

    /// The shard is about to stop: nothing waits for room any more.
    pub fn leave(&self) {
        self.leaving.set(true);
        self.wake();
    }

    /// Whether the shard is about to stop.
    pub fn is_leaving(&self) -> bool {
        self.leaving.get()
    }

    /// A write found no room. True if the reserve was given back, so that a second try may find some.
    pub async fn hit(&self, error: &FileError) -> bool {
        self.full.set(true);
        let given_back = self.data_dir.room().hit(error).await;
        self.left_bytes.set(match given_back {
            true => self.left_bytes.get().max(self.reserve_bytes.get()),
            false => 0,
        });
        self.look_due.notify_all();
        given_back
    }

    /// Ready after the next look, or when the shard stops.
    pub fn next_look(&self) -> Wait {
        self.looked.wait()
    }

    /// Waits for the next look, unless the shard is about to stop.
    pub async fn pause(&self) {
        if !self.leaving.get() {
            self.looked.wait().await;
        }
    }

    /// How often the disk was looked at.
    pub fn looks(&self) -> u64 {
        self.looks.get()
    }

    /// Has the disk looked at soon.
    pub fn wake(&self) {
        self.look_due.notify_all();
        self.looked.notify_all();
    }

    /// Looks from time to time until told that it is over, and does what is to be done then.
    pub async fn run(self: Rc<Self>, over: impl Fn() -> bool, then: impl AsyncFn()) {
        loop {
            let due = self.look_due.wait();
            if over() {
                self.looked.notify_all();
                return;
            }
            self.look().await;
            then().await;
            let pause = match self.full.get() {
                true => LOOK_EVERY_WHEN_FULL,
                false => LOOK_EVERY,
            };
            let _ = rt::timeout(pause, due).await;
        }
    }

    /// Looks now.
    pub async fn look(&self) {
        let need = Need {
            shard: self.shard,
            reserve_bytes: self.wanted_reserve_bytes,
            unwritten_bytes: self.unwritten_bytes.get(),
        };
        match self.data_dir.room().look(need).await {
            Ok(look) => {
                self.full.set(look.full);
                self.left_bytes.set(look.left_bytes);
                self.reserve_bytes.set(look.reserve_bytes);
            }
            Err(e) => {
                warn!(dir = %self.data_dir.path().display(), error = %e, "the disk's room can't be told");
            }
        }
        self.looks.set(self.looks.get() + 1);
        self.looked.notify_all();
    }
}
