//! The generator's one thread: an epoll loop over all connections.
//!
//! Where the load goes by the clock, what the generator's own waking up takes would be counted as the broker's latency: a
//! sleep that the kernel rounds up to the next millisecond is half of one, on average, and a wake-up on a virtual CPU some
//! tens of microseconds. So with a CPU of its own it doesn't sleep at all then; without one it sleeps until shortly before the next
//! request is due.

use std::os::fd::OwnedFd;
use std::time::{Duration, Instant};

use anyhow::Context;
use rustix::event::{PollFd, PollFlags, Timespec, epoll, poll};
use rustix::thread::sched_yield;

use super::affinity;
use super::connection::{Connection, Load};

/// Events taken from the kernel at once.
const EVENTS: usize = 256;

/// So long before a request is due the loop no longer sleeps: a timer of the kernel may come this late.
const SPIN: Duration = Duration::from_micros(200);

/// How long the loop may run.
#[derive(Clone, Copy, Debug)]
pub enum Until {
    /// To a moment. Requests may be in flight then; a later call goes on with them.
    Time(Instant),
    /// Until nothing is in flight and the load has nothing to send. An error when no answer comes for this long.
    Idle(Duration),
}

/// All connections of a run.
pub struct Generator {
    epoll: OwnedFd,
    connections: Vec<Connection>,
    has_own_cpu: bool,
}

impl Generator {
    /// Watches connections; nothing is sent yet.
    ///
    /// # Errors
    /// When the kernel refuses.
    pub fn new(connections: Vec<Connection>) -> anyhow::Result<Generator> {
        let epoll = epoll::create(epoll::CreateFlags::CLOEXEC).context("epoll")?;
        // Edge-triggered: a connection is told once when it can be read and once when it can be written again, and
        // no system call is needed to change what it waits for.
        let flags =
            epoll::EventFlags::IN | epoll::EventFlags::OUT | epoll::EventFlags::RDHUP | epoll::EventFlags::ET;
        for (i, connection) in connections.iter().enumerate() {
            epoll::add(
                &epoll,
                connection.as_fd(),
                epoll::EventData::new_u64(i as u64),
                flags,
            )
            .context("epoll")?;
        }
        Ok(Generator {
            epoll,
            connections,
            has_own_cpu: affinity::is_on_one_cpu(),
        })
    }

    /// Drives a load.
    ///
    /// # Errors
    /// When a connection breaks, the load refuses an answer, or no answer comes for long.
    pub fn run(&mut self, load: &mut impl Load, until: Until) -> anyhow::Result<()> {
        for connection in &mut self.connections {
            connection.start(load)?;
        }
        let mut events = Vec::with_capacity(EVENTS);
        loop {
            let now = Instant::now();
            while let Some(connection) = load.release(now) {
                self.connections[connection].start(load)?;
            }
            let patience = match until {
                Until::Time(end) => end.saturating_duration_since(now),
                Until::Idle(patience) => patience,
            };
            let over = match until {
                Until::Time(_) => patience.is_zero(),
                Until::Idle(_) => self.connections.iter().all(Connection::is_idle),
            };
            if over {
                return Ok(());
            }
            let wait = match load.next_due() {
                None => patience,
                Some(due) => patience.min(due.saturating_duration_since(now).saturating_sub(SPIN)),
            };
            self.wait(wait, load.next_due().is_some())?;
            events.clear();
            match epoll::wait(
                &self.epoll,
                rustix::buffer::spare_capacity(&mut events),
                Some(&timespec(Duration::ZERO)),
            ) {
                Ok(_) | Err(rustix::io::Errno::INTR) => {}
                Err(e) => return Err(e).context("epoll"),
            }
            if events.is_empty() && matches!(until, Until::Idle(_)) && load.next_due().is_none() {
                anyhow::bail!("the broker did not answer for {} s", patience.as_secs());
            }
            for event in &events {
                self.connections[event.data.u64() as usize].turn(load)?;
            }
        }
    }

    /// Waits until there are events or the time is up, or gives the CPU to whoever else may want it.
    fn wait(&self, at_most: Duration, by_the_clock: bool) -> anyhow::Result<()> {
        if by_the_clock && self.has_own_cpu {
            // The kernel's own threads live there too, some of which finish the broker's writes.
            sched_yield();
            return Ok(());
        }
        if at_most.is_zero() {
            return Ok(());
        }
        // Not epoll's own timeout, which is rounded up to milliseconds.
        match poll(
            &mut [PollFd::new(&self.epoll, PollFlags::IN)],
            Some(&timespec(at_most)),
        ) {
            Ok(_) | Err(rustix::io::Errno::INTR) => Ok(()),
            Err(e) => Err(e).context("poll"),
        }
    }
}

fn timespec(duration: Duration) -> Timespec {
    Timespec {
        tv_sec: duration.as_secs() as i64,
        tv_nsec: i64::from(duration.subsec_nanos()),
    }
}
