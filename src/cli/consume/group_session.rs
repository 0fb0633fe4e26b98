//! Reading as a member of a group.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use super::interrupt::Interrupt;
use super::reader::Reader;
use super::sink::{Appetite, Sink};
use super::start_point::{StartPoint, resolve};
use crate::cli::client::{
    ClusterClient, FetchOptions, GroupMember, Heartbeat, Partition, commit_offsets, fetch_committed,
};
use crate::wire::errors::ErrorCode;

/// How often what has been printed is committed. Kafka's default for `auto.commit.interval.ms`.
const COMMIT_INTERVAL: Duration = Duration::from_secs(5);

/// When to stop, apart from the sink's count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Until {
    /// When told to.
    Interrupted,
    /// When everything that was there at the beginning has been read.
    End,
}

/// A member that reads.
#[derive(Debug)]
pub struct GroupSession {
    pub member: GroupMember,
    pub options: FetchOptions,
    /// Where to begin in a partition for which the group has no offset.
    pub start: StartPoint,
    pub until: Until,
}

impl GroupSession {
    /// Joins, reads, commits, and leaves in the end, whatever the end is.
    pub fn run(
        &mut self,
        client: &mut ClusterClient,
        sink: &mut Sink,
        interrupt: &Interrupt,
    ) -> anyhow::Result<()> {
        let result = self.read(client, sink, interrupt);
        let left = self.member.leave(client);
        // Why reading ended is worth more than that leaving failed as well.
        result.and(left.map_err(Into::into))
    }

    fn read(
        &mut self,
        client: &mut ClusterClient,
        sink: &mut Sink,
        interrupt: &Interrupt,
    ) -> anyhow::Result<()> {
        loop {
            let assigned = self.member.join(client)?;
            let mut reader = self.reader(client, &assigned)?;
            let mut committed = reader.positions().clone();
            let outcome = self.read_assignment(client, sink, interrupt, &mut reader, &mut committed);
            // Before an error is reported or the partitions go to somebody else, the group hears how far we are.
            let settled = self.commit(client, &reader, &mut committed);
            match outcome? {
                Outcome::Rejoin => {}
                Outcome::Done => return settled,
            }
        }
    }

    fn read_assignment(
        &mut self,
        client: &mut ClusterClient,
        sink: &mut Sink,
        interrupt: &Interrupt,
        reader: &mut Reader,
        committed: &mut BTreeMap<Partition, i64>,
    ) -> anyhow::Result<Outcome> {
        let mut last_heartbeat = Instant::now();
        let mut last_commit = Instant::now();
        loop {
            if interrupt.is_wished() || reader.is_at_end() {
                return Ok(Outcome::Done);
            }
            if reader.step(client, sink)? == Appetite::Full {
                sink.flush()?;
                return Ok(Outcome::Done);
            }
            if last_commit.elapsed() >= COMMIT_INTERVAL {
                self.commit(client, reader, committed)?;
                last_commit = Instant::now();
            }
            if last_heartbeat.elapsed() >= GroupMember::HEARTBEAT_INTERVAL {
                if self.member.heartbeat(client)? == Heartbeat::Rejoin {
                    return Ok(Outcome::Rejoin);
                }
                last_heartbeat = Instant::now();
            }
        }
    }

    fn reader(&self, client: &mut ClusterClient, assigned: &[Partition]) -> anyhow::Result<Reader> {
        let mut topics: Vec<&str> = assigned.iter().map(|partition| &*partition.topic).collect();
        topics.dedup();
        client.require_topics(&topics, crate::cli::client::AutoCreate::Denied)?;
        let committed = fetch_committed(client, self.member.group(), assigned)?;
        let fresh: Vec<Partition> = assigned
            .iter()
            .filter(|p| !committed.contains_key(*p))
            .cloned()
            .collect();
        let isolation = self.options.isolation;
        let mut positions = resolve(client, &fresh, self.start, isolation)?;
        positions.extend(
            committed
                .into_iter()
                .map(|(partition, committed)| (partition, committed.offset)),
        );
        let ends = match self.until {
            Until::Interrupted => None,
            Until::End => Some(resolve(client, assigned, StartPoint::End, isolation)?),
        };
        Ok(Reader::new(positions, ends, self.options))
    }

    /// Commits what has changed since it was last committed.
    fn commit(
        &self,
        client: &mut ClusterClient,
        reader: &Reader,
        committed: &mut BTreeMap<Partition, i64>,
    ) -> anyhow::Result<()> {
        let changed: BTreeMap<Partition, i64> = reader
            .positions()
            .iter()
            .filter(|(partition, position)| committed.get(*partition) != Some(position))
            .map(|(partition, position)| (partition.clone(), *position))
            .collect();
        if changed.is_empty() {
            return Ok(());
        }
        match commit_offsets(client, self.member.group(), self.member.identity(), &changed) {
            Ok(()) => {
                committed.extend(changed);
                Ok(())
            }
            Err(error) => match error.code() {
                // The group has gone on without us: the next heartbeat makes us join again, and whoever has the partitions
                // now begins at the last commit.
                Some(
                    ErrorCode::RebalanceInProgress
                    | ErrorCode::IllegalGeneration
                    | ErrorCode::UnknownMemberId,
                ) => {
                    eprintln!("warning: {error}; some records may be read twice");
                    Ok(())
                }
                _ => Err(error.into()),
            },
        }
    }
}

/// Why an assignment is not read any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Outcome {
    Rejoin,
    Done,
}
