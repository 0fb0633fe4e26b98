//! Producers and the consumers beside them, as one load for the generator.

use std::time::{Duration, Instant};

use super::connection::{Answered, Load, Outgoing, Progress};
use super::fetch_load::FetchLoad;
use super::meter::Slice;
use super::writing::Writing;

/// Loads side by side. Connections are numbered through: first the producers', then those of each of the readers.
pub struct Traffic<'a> {
    produce: &'a mut dyn Writing,
    producer_connections: usize,
    /// Each with the number of its connections.
    readers: Vec<(&'a mut FetchLoad, usize)>,
}

impl<'a> Traffic<'a> {
    /// Producers with so many connections, alone.
    pub fn new(produce: &'a mut dyn Writing, connections: usize) -> Traffic<'a> {
        Traffic {
            produce,
            producer_connections: connections,
            readers: Vec::new(),
        }
    }

    /// Adds readers with so many connections.
    pub fn add_readers(&mut self, load: &'a mut FetchLoad, connections: usize) {
        self.readers.push((load, connections));
    }

    /// Switches counting on or off for all.
    pub fn set_counting(&mut self, counting: bool) {
        self.produce.meter().set_counting(counting);
        for (load, _) in &mut self.readers {
            load.meter.set_counting(counting);
        }
    }

    /// Ends a slice of everybody's timeline; gives the producers'.
    pub fn end_slice(&mut self, at: Duration, length: Duration) -> &Slice {
        for (load, _) in &mut self.readers {
            load.meter.end_slice(at, length);
        }
        self.produce.meter().end_slice(at, length)
    }

    /// Sends nothing more. Gives how much was due and not sent.
    pub fn stop(&mut self) -> usize {
        let unsent = self.produce.stop();
        for (load, _) in &mut self.readers {
            load.stop();
        }
        unsent
    }

    /// The load of a connection, and the connection's number in it.
    fn of(&mut self, connection: usize) -> (&mut dyn Load, usize) {
        if connection < self.producer_connections {
            return (self.produce as &mut dyn Load, connection);
        }
        let mut index = connection - self.producer_connections;
        for (load, connections) in &mut self.readers {
            if index < *connections {
                return (&mut **load, index);
            }
            index -= *connections;
        }
        unreachable!("connection {connection} belongs to nobody")
    }
}

impl Load for Traffic<'_> {
    fn next(&mut self, connection: usize) -> Option<Outgoing> {
        let (load, index) = self.of(connection);
        load.next(index)
    }

    fn read(&mut self, connection: usize, tag: usize, bytes: &[u8], left: usize) -> anyhow::Result<Progress> {
        let (load, index) = self.of(connection);
        load.read(index, tag, bytes, left)
    }

    fn answered(&mut self, connection: usize, tag: usize, answer: Answered) {
        let (load, index) = self.of(connection);
        load.answered(index, tag, answer);
    }

    fn release(&mut self, now: Instant) -> Option<usize> {
        self.produce.release(now)
    }

    fn next_due(&self) -> Option<Instant> {
        self.produce.next_due()
    }
}
