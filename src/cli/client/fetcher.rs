//! Reads partitions, from all their leaders at once.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use bytes::Bytes;

use super::client_error::error_code;
use super::connection::{Connection, Cutter};
use super::{ClientError, ClusterClient, Partition};
use crate::base::ids::{NodeId, TopicId};
use crate::wire::errors::ErrorCode;
use crate::wire::messages::fetch::{FetchPartition, FetchRequest, FetchResponse, FetchTopic, PartitionData};
use crate::wire::records::batches;

/// How long a node may wait for something to send.
const MAX_WAIT: Duration = Duration::from_millis(500);

/// What one answer may hold. Kafka's default for `fetch.max.bytes`.
const MAX_BYTES: i32 = 50 * 1024 * 1024;

/// Answers a node's thread may be ahead of whoever reads them, so that a slow output does not fill the memory.
const ANSWERS_AHEAD: usize = 2;

/// Which records of transactions are shown.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Isolation {
    /// All.
    #[default]
    ReadUncommitted,
    /// Those of committed transactions.
    ReadCommitted,
}

impl Isolation {
    /// The number in requests.
    pub fn level(self) -> i8 {
        match self {
            Isolation::ReadUncommitted => 0,
            Isolation::ReadCommitted => 1,
        }
    }
}

/// How to read.
#[derive(Clone, Copy, Debug)]
pub struct FetchOptions {
    /// Which records of transactions.
    pub isolation: Isolation,
    /// How much of one partition a node should send at once, in bytes.
    pub partition_max_bytes: i32,
}

/// Record batches of one partition.
#[derive(Clone, Debug)]
pub struct Fetched {
    /// The partition.
    pub partition: Partition,
    /// Whole batches, perhaps with a part of one at the end. The first may begin before what was asked for.
    pub records: Bytes,
    /// Producer id and first offset of each aborted transaction in there; asked for with `ReadCommitted` only.
    pub aborted: Vec<(i64, i64)>,
}

/// What a fetcher has to tell.
#[derive(Debug)]
pub enum FetchEvent {
    /// Records.
    Fetched(Fetched),
    /// A partition cannot be read at this node; it is left out from then on.
    PartitionFailed { partition: Partition, code: ErrorCode },
    /// A node cannot be reached; its thread has ended.
    NodeFailed { error: ClientError },
}

/// Threads that read, one for each node. Ends them when dropped.
#[derive(Debug)]
pub struct Fetcher {
    events: Receiver<FetchEvent>,
    stop: Arc<AtomicBool>,
    cutters: Vec<Cutter>,
    threads: Vec<JoinHandle<()>>,
}

impl Fetcher {
    /// Starts reading at these offsets. The leaders have to be known: call `require_topics` before. Connects to each node
    /// before it returns.
    pub fn start(
        client: &ClusterClient,
        positions: &BTreeMap<Partition, i64>,
        options: FetchOptions,
    ) -> Result<Fetcher, ClientError> {
        let mut by_node: BTreeMap<NodeId, BTreeMap<Partition, i64>> = BTreeMap::new();
        for (partition, offset) in positions {
            let leader = client.cluster().leader(&partition.topic, partition.index);
            let leader = leader.ok_or_else(|| ClientError::NoNode {
                what: format!("partition {partition}"),
            })?;
            by_node
                .entry(leader)
                .or_default()
                .insert(partition.clone(), *offset);
        }
        let (sender, events) = sync_channel(ANSWERS_AHEAD * by_node.len().max(1));
        let stop = Arc::new(AtomicBool::new(false));
        let mut fetcher = Fetcher {
            events,
            stop: stop.clone(),
            cutters: Vec::new(),
            threads: Vec::new(),
        };
        for (node, positions) in by_node {
            let address = client.address_of(node)?;
            let connection =
                Connection::open(&address, &client.options().client_id, client.options().timeout)?;
            fetcher.cutters.push(connection.cutter()?);
            let ids = positions
                .keys()
                .map(|p| (client.cluster().topic_id(&p.topic), p.topic.clone()))
                .collect();
            let worker = NodeFetcher {
                connection,
                positions,
                ids,
                options,
                sender: sender.clone(),
                stop: stop.clone(),
            };
            let thread = thread::Builder::new()
                .name(format!("fetch-{node}"))
                .spawn(move || worker.run());
            let thread = thread.map_err(|source| ClientError::Connection {
                address,
                source: Arc::new(source),
            })?;
            fetcher.threads.push(thread);
        }
        Ok(fetcher)
    }

    /// The next event, `None` if there is none in that time.
    pub fn next(&self, timeout: Duration) -> Option<FetchEvent> {
        match self.events.recv_timeout(timeout) {
            Ok(event) => Some(event),
            Err(RecvTimeoutError::Timeout) => None,
            Err(RecvTimeoutError::Disconnected) => {
                // Nothing to read, or every node has failed and said so: still be quiet for as long as asked.
                thread::sleep(timeout);
                None
            }
        }
    }
}

impl Drop for Fetcher {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        for cutter in &self.cutters {
            cutter.cut();
        }
        // A thread that waits for room in the channel must find it closed.
        drop(std::mem::replace(&mut self.events, sync_channel(0).1));
        for thread in self.threads.drain(..) {
            // A thread that panicked has said so on stderr.
            let _ = thread.join();
        }
    }
}

struct NodeFetcher {
    connection: Connection,
    positions: BTreeMap<Partition, i64>,
    ids: HashMap<TopicId, Arc<str>>,
    options: FetchOptions,
    sender: SyncSender<FetchEvent>,
    stop: Arc<AtomicBool>,
}

impl NodeFetcher {
    fn run(mut self) {
        while !self.stop.load(Ordering::Relaxed) && !self.positions.is_empty() {
            let events = match self.fetch() {
                Ok(events) => events,
                Err(error) => {
                    // A cut connection is how we are told to stop. Nobody listens then, which is as good.
                    let _ = self.sender.send(FetchEvent::NodeFailed { error });
                    return;
                }
            };
            for event in events {
                if self.sender.send(event).is_err() {
                    return;
                }
            }
        }
    }

    fn fetch(&mut self) -> Result<Vec<FetchEvent>, ClientError> {
        let request = self.request();
        let response: FetchResponse = self.connection.call(&request)?;
        ClientError::check(self.connection.address(), response.error_code)?;
        let mut events = Vec::new();
        for topic in response.responses {
            let name = if topic.topic.is_empty() {
                self.ids.get(&topic.topic_id).cloned()
            } else {
                Some(topic.topic.into())
            };
            let Some(name) = name else { continue };
            for data in topic.partitions {
                let partition = Partition {
                    topic: name.clone(),
                    index: data.partition_index,
                };
                events.extend(self.take(partition, data));
            }
        }
        Ok(events)
    }

    fn take(&mut self, partition: Partition, data: PartitionData) -> Option<FetchEvent> {
        let code = error_code(data.error_code);
        if code.is_error() {
            self.positions.remove(&partition);
            return Some(FetchEvent::PartitionFailed { partition, code });
        }
        let position = self.positions.get_mut(&partition)?;
        let records = data.records.unwrap_or_default();
        if records.is_empty() {
            return None;
        }
        // What follows the whole batches is a part of one, which the next answer brings again. Anything else that is
        // wrong is found by whoever reads the records.
        for batch in batches(&records).map_while(Result::ok) {
            *position = (*position).max(batch.header().next_offset().0);
        }
        let aborted = data.aborted_transactions.unwrap_or_default();
        let aborted = aborted
            .iter()
            .map(|txn| (txn.producer_id, txn.first_offset))
            .collect();
        Some(FetchEvent::Fetched(Fetched {
            partition,
            records,
            aborted,
        }))
    }

    fn request(&self) -> FetchRequest {
        let mut topics: BTreeMap<Arc<str>, Vec<FetchPartition>> = BTreeMap::new();
        for (partition, offset) in &self.positions {
            topics
                .entry(partition.topic.clone())
                .or_default()
                .push(FetchPartition {
                    partition: partition.index,
                    fetch_offset: *offset,
                    partition_max_bytes: self.options.partition_max_bytes,
                    ..Default::default()
                });
        }
        let id_of = |name: &Arc<str>| {
            self.ids
                .iter()
                .find(|(_, n)| *n == name)
                .map_or(TopicId::ZERO, |(id, _)| *id)
        };
        FetchRequest {
            max_wait_ms: MAX_WAIT.as_millis() as i32,
            min_bytes: 1,
            max_bytes: MAX_BYTES,
            isolation_level: self.options.isolation.level(),
            topics: topics
                .into_iter()
                .map(|(name, partitions)| FetchTopic {
                    topic: name.to_string(),
                    topic_id: id_of(&name),
                    partitions,
                })
                .collect(),
            ..Default::default()
        }
    }
}
