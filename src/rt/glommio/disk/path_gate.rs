//! Keeps removals of names away from files that are just being opened.
//!
//! glommio looks up the file system by the file's name after it has opened it, and panics if the name is gone by then.
//! So on one executor either files are opened or names are removed. (Partitions and their files belong to one shard,
//! so another executor has no reason to remove what this one opens.)

use crate::rt::sync::Event;
use std::cell::{Cell, RefCell};

thread_local! {
    static OPENING: Cell<usize> = const { Cell::new(0) };
    static REMOVING: Cell<usize> = const { Cell::new(0) };
    static CHANGED: RefCell<Event> = RefCell::new(Event::new());
}

/// Held while a file is being opened.
pub(super) struct Opening;

/// Held while a name is removed or changed.
pub(super) struct Removing;

impl Opening {
    pub(super) async fn enter() -> Opening {
        while REMOVING.get() > 0 {
            changed().await;
        }
        OPENING.set(OPENING.get() + 1);
        Opening
    }
}

impl Drop for Opening {
    fn drop(&mut self) {
        OPENING.set(OPENING.get() - 1);
        notify();
    }
}

impl Removing {
    pub(super) async fn enter() -> Removing {
        while OPENING.get() > 0 {
            changed().await;
        }
        REMOVING.set(REMOVING.get() + 1);
        Removing
    }
}

impl Drop for Removing {
    fn drop(&mut self) {
        REMOVING.set(REMOVING.get() - 1);
        notify();
    }
}

fn changed() -> crate::rt::sync::Wait {
    CHANGED.with_borrow(Event::wait)
}

fn notify() {
    // The executor's tasks may be dropped with the thread, after its locals.
    let _ = CHANGED.try_with(|changed| changed.borrow().notify_all());
}
