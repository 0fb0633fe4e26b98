//! The generator's one thread: an epoll loop over all connections. Shortly before a request of a load that goes by the
//! clock is due it spins, so that the request leaves on time.

use std::os::fd::OwnedFd;
use std::time::{Duration, Instant};

use anyhow::Context;
use rustix::event::{Timespec, epoll};

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
        Ok(Generator { epoll, connections })
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
            let wait = Timespec {
                tv_sec: wait.as_secs() as i64,
                tv_nsec: i64::from(wait.subsec_nanos()),
            };
            events.clear();
            match epoll::wait(
                &self.epoll,
                rustix::buffer::spare_capacity(&mut events),
                Some(&wait),
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
}
