//! What waits for a shard's housekeeping.

use super::partition::PartitionLog;
use crate::base::time::Monotonic;
use crate::rt::sync::Event;
use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, VecDeque};
use std::future::Future;
use std::path::PathBuf;
use std::rc::Rc;

/// Queues of work that nobody waits for. `RefCell`s are borrowed within a call, never longer.
#[derive(Default)]
pub(super) struct Chores {
    partitions: RefCell<VecDeque<Rc<PartitionLog>>>,
    /// Files to be removed, by when; the number tells those of one moment apart.
    files: RefCell<BTreeMap<(Monotonic, u64), PathBuf>>,
    next_file: Cell<u64>,
    dirs: RefCell<VecDeque<PathBuf>>,
    rounds_wanted: Cell<u64>,
    rounds_begun: Cell<u64>,
    rounds_ended: Cell<u64>,
    round_ended: Event,
    something: Event,
}

impl Chores {
    /// Ready when something was added. As with [`Event::wait`], ask before looking.
    pub fn wait(&self) -> impl Future<Output = ()> + use<> {
        self.something.wait()
    }

    /// Wakes the housekeeping, so that it sees that the shard has stopped.
    pub fn wake(&self) {
        self.something.notify_all();
        self.round_ended.notify_all();
    }

    /// A partition whose log start was raised: segments may go.
    pub fn add_partition(&self, partition: &Rc<PartitionLog>) {
        self.partitions.borrow_mut().push_back(partition.clone());
        self.something.notify_all();
    }

    pub fn next_partition(&self) -> Option<Rc<PartitionLog>> {
        self.partitions.borrow_mut().pop_front()
    }

    /// A file that is to be removed at `due`.
    pub fn add_file(&self, due: Monotonic, path: PathBuf) {
        let number = self.next_file.get();
        self.next_file.set(number + 1);
        self.files.borrow_mut().insert((due, number), path);
        self.something.notify_all();
    }

    /// When the next file is to be removed.
    pub fn next_file_due(&self) -> Option<Monotonic> {
        self.files.borrow().keys().next().map(|(due, _)| *due)
    }

    /// A file whose time has come.
    pub fn take_due_file(&self, now: Monotonic) -> Option<PathBuf> {
        let mut files = self.files.borrow_mut();
        let first = files.first_entry()?;
        (first.key().0 <= now).then(|| first.remove())
    }

    /// The directory of a deleted partition, renamed already.
    pub fn add_doomed_dir(&self, dir: PathBuf) {
        self.dirs.borrow_mut().push_back(dir);
        self.something.notify_all();
    }

    pub fn next_doomed_dir(&self) -> Option<PathBuf> {
        self.dirs.borrow_mut().pop_front()
    }

    /// Asks for a look at every partition at once, and waits for its end (or the shard's).
    pub async fn round(&self, over: impl Fn() -> bool) {
        let wanted = self.rounds_begun.get() + 1;
        self.rounds_wanted.set(wanted);
        self.something.notify_all();
        loop {
            let ended = self.round_ended.wait();
            if self.rounds_ended.get() >= wanted || over() {
                return;
            }
            ended.await;
        }
    }

    /// A look at every partition begins, if one was asked for since the last began.
    pub fn begin_round(&self) -> bool {
        let wanted = self.rounds_wanted.get() > self.rounds_begun.get();
        self.rounds_begun
            .set(self.rounds_begun.get().max(self.rounds_wanted.get()));
        wanted
    }

    /// A look at every partition has ended.
    pub fn end_round(&self) {
        self.rounds_ended.set(self.rounds_begun.get());
        self.round_ended.notify_all();
    }
}
