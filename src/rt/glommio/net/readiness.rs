//! Which sockets of an executor have something to say. Hot path.
//!
//! Every socket is registered once, edge-triggered, with an epoll instance of its executor's, and one task passes the
//! news on. glommio waits for that instance alone. Asking glommio for each socket's readiness anew after each read costs a
//! submission, a completion, and an interrupt of this core by the one the packet came in on: with many connections
//! that send small requests a fifth of the core's time.

use crate::rt::{now, sleep, spawn, yield_now};
use ::glommio::net::TcpStream;
use futures_io::AsyncRead;
use rustix::buffer::spare_capacity;
use rustix::event::Timespec;
use rustix::event::epoll::{self, CreateFlags, Event, EventData, EventFlags};
use std::cell::{Cell, RefCell};
use std::future::poll_fn;
use std::io;
use std::os::fd::{AsFd, FromRawFd, IntoRawFd, OwnedFd};
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

/// As much news as is taken at once.
const EVENTS_AT_ONCE: usize = 256;

/// If all other tasks together took longer than this to have a turn each, the executor is busy: then looking again at
/// the next turn costs next to nothing, and asking glommio, who looks when its preemption timer fires, costs latency.
const BUSY_ROUND: Duration = Duration::from_micros(20);

/// How long nobody listens where there is no file descriptor left to ask glommio with.
const ERROR_PAUSE: Duration = Duration::from_millis(5);

const WATCHED: EventFlags = EventFlags::IN
    .union(EventFlags::OUT)
    .union(EventFlags::RDHUP)
    .union(EventFlags::ET);

const BROKEN: EventFlags = EventFlags::HUP.union(EventFlags::ERR);

thread_local! {
    /// `None` until the executor's first socket, and after its end.
    static READINESS: RefCell<Option<Rc<Readiness>>> = const { RefCell::new(None) };
}

/// A socket among those its executor watches.
pub(super) struct Watched {
    state: Rc<State>,
    slot: usize,
    readiness: Rc<Readiness>,
}

struct State {
    /// Whether a read may find something: bytes, the end or an error.
    readable: Cell<bool>,
    writable: Cell<bool>,
    /// Nothing new will be told of this socket: it stays readable.
    ended: Cell<bool>,
    reader: Cell<Option<Waker>>,
    writer: Cell<Option<Waker>>,
}

impl Watched {
    /// Watches a socket until the value is dropped, which is to be before the socket is closed. The socket counts as
    /// readable and writable until a call has shown that it is not.
    pub fn new(socket: impl AsFd) -> io::Result<Watched> {
        let readiness = Readiness::of_this_executor()?;
        let state = Rc::new(State {
            readable: Cell::new(true),
            writable: Cell::new(true),
            ended: Cell::new(false),
            reader: Cell::new(None),
            writer: Cell::new(None),
        });
        let slot = readiness.sockets.borrow_mut().add(state.clone());
        let watched = Watched {
            state,
            slot,
            readiness,
        };
        epoll::add(
            &watched.readiness.epoll,
            socket,
            EventData::new_u64(slot as u64),
            WATCHED,
        )?;
        Ok(watched)
    }

    pub fn poll_readable(&self, cx: &Context<'_>) -> Poll<()> {
        if self.state.readable.get() {
            return Poll::Ready(());
        }
        wait(&self.state.reader, cx)
    }

    pub fn poll_writable(&self, cx: &Context<'_>) -> Poll<()> {
        if self.state.writable.get() {
            return Poll::Ready(());
        }
        wait(&self.state.writer, cx)
    }

    /// A read has taken all that was there.
    pub fn drained(&self) {
        self.state.readable.set(self.state.ended.get());
    }

    /// A write has filled what room there was.
    pub fn filled(&self) {
        self.state.writable.set(self.state.ended.get());
    }

    /// Both directions were shut down: whoever waits is to see that.
    pub fn end(&self) {
        self.state.ended.set(true);
        self.state.news(true, true);
    }
}

impl Drop for Watched {
    fn drop(&mut self) {
        // Closing the socket ends its registration; news of it that are on their way find an empty slot, or one more
        // socket that tries in vain.
        self.readiness.sockets.borrow_mut().remove(self.slot);
    }
}

fn wait(waiting: &Cell<Option<Waker>>, cx: &Context<'_>) -> Poll<()> {
    let waker = match waiting.take() {
        Some(waker) if waker.will_wake(cx.waker()) => waker,
        _ => cx.waker().clone(),
    };
    waiting.set(Some(waker));
    Poll::Pending
}

impl State {
    fn news(&self, readable: bool, writable: bool) {
        if readable {
            self.readable.set(true);
            self.reader.take().into_iter().for_each(Waker::wake);
        }
        if writable {
            self.writable.set(true);
            self.writer.take().into_iter().for_each(Waker::wake);
        }
    }
}

/// The sockets of an executor.
struct Readiness {
    epoll: OwnedFd,
    sockets: RefCell<Sockets>,
}

#[derive(Default)]
struct Sockets {
    states: Vec<Option<Rc<State>>>,
    free: Vec<usize>,
}

impl Sockets {
    fn add(&mut self, state: Rc<State>) -> usize {
        match self.free.pop() {
            Some(slot) => {
                self.states[slot] = Some(state);
                slot
            }
            None => {
                self.states.push(Some(state));
                self.states.len() - 1
            }
        }
    }

    fn remove(&mut self, slot: usize) {
        self.states[slot] = None;
        self.free.push(slot);
    }
}

impl Readiness {
    fn of_this_executor() -> io::Result<Rc<Readiness>> {
        if let Some(readiness) = READINESS.with_borrow(Option::clone) {
            return Ok(readiness);
        }
        let readiness = Rc::new(Readiness {
            epoll: epoll::create(CreateFlags::CLOEXEC)?,
            sockets: RefCell::default(),
        });
        READINESS.set(Some(readiness.clone()));
        drop(spawn(pass_on(readiness.clone())));
        Ok(readiness)
    }

    /// Tells the tasks that wait for it what is new, and says whether there was anything.
    fn look(&self, events: &mut Vec<Event>) -> bool {
        events.clear();
        let at_once = Timespec {
            tv_sec: 0,
            tv_nsec: 0,
        };
        // An interrupted call has found nothing. Nothing else can fail here.
        let _ = epoll::wait(&self.epoll, spare_capacity(events), Some(&at_once));
        for event in &*events {
            let (slot, flags) = (event.data.u64() as usize, event.flags);
            let state = self.sockets.borrow().states[slot].clone();
            let Some(state) = state else { continue };
            if flags.intersects(EventFlags::RDHUP | BROKEN) {
                state.ended.set(true);
            }
            state.news(
                flags.intersects(EventFlags::IN | EventFlags::RDHUP | BROKEN),
                flags.intersects(EventFlags::OUT | BROKEN),
            );
        }
        !events.is_empty()
    }

    /// Ready when there is something to look at: another handle of the epoll instance, dressed as a stream. glommio asks the
    /// kernel for a stream's readiness as soon as the stream exists, and has no other way to ask.
    async fn something(&self) {
        let Ok(epoll) = self.epoll.try_clone() else {
            return sleep(ERROR_PAUSE).await;
        };
        // SAFETY: the descriptor is open and ours, and the stream becomes its only owner.
        let mut watch = unsafe { TcpStream::from_raw_fd(epoll.into_raw_fd()) };
        // The first poll finds the readiness request pending. When that is done, glommio tries to receive from the
        // instance, which fails, and so ends the wait.
        poll_fn(|cx| Pin::new(&mut watch).poll_read(cx, &mut []).map(drop)).await
    }
}

/// Forgets the sockets when their executor ends, so that the thread's next executor begins anew.
struct Registered;

impl Drop for Registered {
    fn drop(&mut self) {
        let _ = READINESS.try_with(|readiness| readiness.take());
    }
}

async fn pass_on(readiness: Rc<Readiness>) {
    let _registered = Registered;
    let mut events = Vec::with_capacity(EVENTS_AT_ONCE);
    loop {
        let found = readiness.look(&mut events);
        let before = now();
        // Those that were woken, and all others that can run, have their turn. What they do may bring more.
        yield_now().await;
        if !found && now().since(before) < BUSY_ROUND {
            readiness.something().await;
        }
    }
}
