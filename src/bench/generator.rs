//! The generator's one thread: an epoll loop over all connections.

use std::os::fd::OwnedFd;
use std::time::{Duration, Instant};

use anyhow::Context;
use rustix::event::{Timespec, epoll};

use super::connection::{Connection, Load};

/// Events taken from the kernel at once.
const EVENTS: usize = 256;

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
            let wait = match until {
                Until::Time(end) => {
                    let left = end.saturating_duration_since(Instant::now());
                    if left.is_zero() {
                        return Ok(());
                    }
                    left
                }
                Until::Idle(patience) => {
                    if self.connections.iter().all(Connection::is_idle) {
                        return Ok(());
                    }
                    patience
                }
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
            if events.is_empty() && matches!(until, Until::Idle(_)) {
                anyhow::bail!("the broker did not answer for {} s", wait.tv_sec);
            }
            for event in &events {
                self.connections[event.data.u64() as usize].turn(load)?;
            }
        }
    }
}
