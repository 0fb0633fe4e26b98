//! Reads a set of partitions: each record in order and once, whatever happens to leaders and connections.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::{Context, bail};

use super::aborted::AbortedFilter;
use super::sink::{Appetite, Sink};
use super::start_point::{StartPoint, resolve};
use crate::cli::client::{
    AutoCreate, ClientError, ClusterClient, Deadline, FetchEvent, FetchOptions, Fetched, Fetcher, Isolation,
    Partition,
};
use crate::wire::errors::ErrorCode;
use crate::wire::records::batches;

/// What a batch may hold when it is decompressed. Far above any broker's `max.message.bytes`, so that only a bomb meets it.
const MAX_BATCH_BYTES: usize = 1024 * 1024 * 1024;

/// How long one step may wait for records. Signals and heartbeats are looked at in between.
const STEP: Duration = Duration::from_millis(100);

/// Where reading stands in some partitions.
#[derive(Debug)]
pub struct Reader {
    options: FetchOptions,
    /// Offset of the next record to print.
    positions: BTreeMap<Partition, i64>,
    /// Where to stop, if anywhere.
    ends: Option<BTreeMap<Partition, i64>>,
    fetcher: Option<Fetcher>,
    /// Until when failures without any success in between are borne.
    patience: Option<Deadline>,
}

impl Reader {
    /// Begins at these positions, and ends at `ends` if given.
    pub fn new(
        positions: BTreeMap<Partition, i64>,
        ends: Option<BTreeMap<Partition, i64>>,
        options: FetchOptions,
    ) -> Reader {
        Reader {
            options,
            positions,
            ends,
            fetcher: None,
            patience: None,
        }
    }

    /// Offset of the next record to print, for each partition.
    pub fn positions(&self) -> &BTreeMap<Partition, i64> {
        &self.positions
    }

    /// Whether every partition has been read to where it should be.
    pub fn is_at_end(&self) -> bool {
        let Some(ends) = &self.ends else { return false };
        self.positions
            .iter()
            .all(|(partition, position)| ends.get(partition).is_none_or(|end| position >= end))
    }

    /// Waits a little for records and prints them.
    pub fn step(&mut self, client: &mut ClusterClient, sink: &mut Sink) -> anyhow::Result<Appetite> {
        let event = match &self.fetcher {
            Some(fetcher) => fetcher.next(STEP),
            None => match Fetcher::start(client, &self.positions, self.options) {
                Ok(fetcher) => {
                    self.fetcher = Some(fetcher);
                    None
                }
                Err(error) => Some(FetchEvent::NodeFailed { error }),
            },
        };
        match event {
            None => Ok(Appetite::More),
            Some(FetchEvent::Fetched(fetched)) => {
                self.patience = None;
                let appetite = self.print(&fetched, sink)?;
                sink.flush()?;
                Ok(appetite)
            }
            Some(FetchEvent::PartitionFailed {
                partition,
                code: ErrorCode::OffsetOutOfRange,
            }) => {
                self.move_into_range(client, &partition)?;
                Ok(Appetite::More)
            }
            Some(FetchEvent::PartitionFailed { partition, code }) => self.recover(
                client,
                ClientError::check(format!("partition {partition}"), code.code()).unwrap_err(),
            ),
            Some(FetchEvent::NodeFailed { error }) => self.recover(client, error),
        }
    }

    fn print(&mut self, fetched: &Fetched, sink: &mut Sink) -> anyhow::Result<Appetite> {
        let partition = &fetched.partition;
        let Some(position) = self.positions.get_mut(partition) else {
            return Ok(Appetite::More);
        };
        let end = self
            .ends
            .as_ref()
            .and_then(|ends| ends.get(partition))
            .copied()
            .unwrap_or(i64::MAX);
        let mut aborted = AbortedFilter::new(&fetched.aborted);
        // A part of a batch at the end is what did not fit any more; the next answer brings all of it.
        for batch in batches(&fetched.records) {
            let batch = match batch {
                Ok(batch) => batch,
                Err(crate::wire::records::BatchError::Partial { .. }) => break,
                Err(error) => {
                    return Err(error).context(format!("partition {partition} behind offset {position}"));
                }
            };
            let header = batch.header();
            let what = || {
                format!(
                    "partition {partition}, record batch at offset {}",
                    header.base_offset
                )
            };
            batch.check_crc().with_context(what)?;
            let is_shown = match self.options.isolation {
                Isolation::ReadCommitted => aborted.admits(&batch),
                Isolation::ReadUncommitted => true,
            };
            if is_shown && !header.attributes.is_control() {
                let open = batch.open(MAX_BATCH_BYTES).with_context(what)?;
                for record in open.records() {
                    let record = record.with_context(what)?;
                    // Batches come whole, so the first may begin before what was asked for.
                    if record.offset.0 < *position || record.offset.0 >= end {
                        continue;
                    }
                    let appetite = sink.take(partition, &record)?;
                    *position = record.offset.0 + 1;
                    if appetite == Appetite::Full {
                        return Ok(Appetite::Full);
                    }
                }
            }
            *position = (*position).max(header.next_offset().0.min(end));
        }
        Ok(Appetite::More)
    }

    /// What we wanted to read has been deleted, or never was: goes on at the nearest record and says so.
    fn move_into_range(&mut self, client: &mut ClusterClient, partition: &Partition) -> anyhow::Result<()> {
        let Some(position) = self.positions.get_mut(partition) else {
            return Ok(());
        };
        let point = StartPoint::Offset(*position);
        let resolved = resolve(
            client,
            std::slice::from_ref(partition),
            point,
            self.options.isolation,
        )?;
        let Some(&nearest) = resolved.get(partition) else {
            bail!("partition {partition} has gone");
        };
        eprintln!("warning: partition {partition} has no offset {position} any more; going on at {nearest}");
        *position = nearest;
        self.fetcher = None;
        Ok(())
    }

    /// Starts again with fresh metadata if that may help, for as long as the timeout says.
    fn recover(&mut self, client: &mut ClusterClient, error: ClientError) -> anyhow::Result<Appetite> {
        self.fetcher = None;
        let patience = self.patience.get_or_insert_with(|| client.deadline());
        if !error.is_retriable() || !patience.pause() {
            return Err(error.into());
        }
        let mut topics: Vec<&str> = self.positions.keys().map(|partition| &*partition.topic).collect();
        topics.dedup();
        // If nobody answers, the next step fails in the same way.
        let _ = client.refresh(&topics, AutoCreate::Denied);
        Ok(Appetite::More)
    }
}
