//! A Kafka client: connections to the nodes, calls, and what it knows of the cluster.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::io::IoSlice;
use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use bytes::{Buf, Bytes, BytesMut};

use super::oracle::{Oracle, below};
use crate::base::ids::TopicPartition;
use crate::rt;
use crate::rt::net::Stream;
use crate::wire::api::ApiKey;
use crate::wire::codec::{Message, Reader, Request};
use crate::wire::errors::ErrorCode;
use crate::wire::frame::request_frame;
use crate::wire::header::read_response_header;
use crate::wire::messages::MetadataRequest;
use crate::wire::messages::find_coordinator::{FindCoordinatorRequest, FindCoordinatorResponse};

/// The port of shard 0.
pub const BASE_PORT: u16 = 9000;

/// The most shards a server has in any run.
pub const MOST_SHARDS: u16 = 3;

/// How long a call may take, far above what any takes that gets an answer.
const CALL_TIMEOUT: Duration = Duration::from_secs(8);

/// How long a client waits before it tries again.
const BACKOFF: Duration = Duration::from_millis(20);

/// No answer came: what was asked for may have happened or not.
#[derive(Debug)]
pub struct Unanswered;

/// The answer to this request is due on the connection to `port`.
pub struct Due {
    port: u16,
    version: i16,
    correlation_id: i32,
}

struct Link {
    stream: Stream,
    received: BytesMut,
}

/// One client with a connection to each node it has talked to.
pub struct Client {
    pub oracle: Oracle,
    links: BTreeMap<u16, Link>,
    correlation_id: i32,
    /// The ports of the nodes that lead the partitions.
    leaders: BTreeMap<TopicPartition, u16>,
}

impl Client {
    pub fn new(oracle: &Oracle) -> Client {
        Client {
            oracle: oracle.clone(),
            links: BTreeMap::new(),
            correlation_id: 0,
            leaders: BTreeMap::new(),
        }
    }

    /// Something went wrong that faults explain: waits a little. Without faults it must not happen.
    pub async fn trouble(&mut self, what: impl std::fmt::Debug) {
        assert!(!self.oracle.is_calm(), "{what:?}, and nothing is wrong");
        self.pause().await;
    }

    /// Waits a little before the next try.
    pub async fn pause(&mut self) {
        rt::sleep(BACKOFF + Duration::from_micros(below(20_000))).await;
    }

    /// Sends a request.
    pub async fn send<R: Request>(
        &mut self,
        port: u16,
        version: i16,
        request: &R,
    ) -> Result<Due, Unanswered> {
        self.correlation_id += 1;
        let correlation_id = self.correlation_id;
        let frame = request_frame(request, version, correlation_id, Some("simulated"))
            .unwrap_or_else(|error| panic!("{request:?} in version {version}: {error}"));
        let link = match self.links.entry(port) {
            Entry::Occupied(link) => link.into_mut(),
            Entry::Vacant(place) => {
                let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
                let Ok(Ok(stream)) = rt::timeout(CALL_TIMEOUT, rt::net::connect(address)).await else {
                    return Err(Unanswered);
                };
                let received = BytesMut::new();
                place.insert(Link { stream, received })
            }
        };
        let slices = [IoSlice::new(&frame)];
        let sent = link.stream.send_all(&slices);
        match rt::timeout(CALL_TIMEOUT, sent).await {
            Ok(Ok(())) => Ok(Due {
                port,
                version,
                correlation_id,
            }),
            _ => {
                self.links.remove(&port);
                Err(Unanswered)
            }
        }
    }

    /// Receives the answer to a request. Answers come in the order of the requests.
    pub async fn receive<R: Request>(&mut self, due: &Due) -> Result<R::Response, Unanswered> {
        let Some(link) = self.links.get_mut(&due.port) else {
            return Err(Unanswered);
        };
        let frame = match rt::timeout(CALL_TIMEOUT, next_frame(link)).await {
            Ok(Some(frame)) => frame,
            _ => {
                self.links.remove(&due.port);
                return Err(Unanswered);
            }
        };
        let mut r = Reader::new(&frame);
        let api: ApiKey = <R as Request>::API;
        let correlation_id = read_response_header(&mut r, api, due.version).expect("a response header");
        assert_eq!(correlation_id, due.correlation_id, "answers come in order");
        let response = R::Response::decode(&mut r, due.version).expect("a well-formed answer");
        r.finish().expect("nothing behind the answer");
        Ok(response)
    }

    /// Sends a request and waits for its answer.
    pub async fn call<R: Request>(
        &mut self,
        port: u16,
        version: i16,
        request: &R,
    ) -> Result<R::Response, Unanswered> {
        let due = self.send(port, version, request).await?;
        self.receive::<R>(&due).await
    }

    /// The node that leads a partition, as far as is known.
    pub fn leader(&self, partition: &TopicPartition) -> Option<u16> {
        self.leaders.get(partition).copied()
    }

    /// Learns who leads what. What the metadata says is held against what clients were told before.
    pub async fn refresh(&mut self) -> Result<(), Unanswered> {
        let promised = self.oracle.promised_topics();
        let request = MetadataRequest {
            topics: None,
            allow_auto_topic_creation: false,
            ..MetadataRequest::default()
        };
        let port = self.any_port();
        // From version 10 on there are topic ids.
        let version = 10 + below(4) as i16;
        let metadata = self.call(port, version, &request).await?;
        assert_eq!(metadata.error_code, 0);
        let ports: BTreeMap<i32, u16> = metadata
            .brokers
            .iter()
            .map(|broker| (broker.node_id, u16::try_from(broker.port).expect("a port")))
            .collect();
        self.leaders.clear();
        let mut found = BTreeMap::new();
        for topic in metadata.topics {
            let name = topic.name.expect("a name");
            assert_eq!(topic.error_code, 0, "{name}");
            found.insert(name, (topic.topic_id, topic.partitions.len()));
            for partition in topic.partitions {
                let id = TopicPartition {
                    topic: topic.topic_id,
                    partition: partition.partition_index,
                };
                match ports.get(&partition.leader_id) {
                    Some(port) => drop(self.leaders.insert(id, *port)),
                    // It is offline until the server is started again.
                    None => {
                        assert_eq!(
                            ErrorCode::from_code(partition.error_code),
                            Some(ErrorCode::LeaderNotAvailable)
                        );
                        assert!(
                            !self.oracle.is_calm(),
                            "a partition is offline, and nothing is wrong"
                        );
                    }
                }
            }
        }
        self.oracle.saw_topics(&promised, &found);
        Ok(())
    }

    /// [`Client::refresh`] until it works.
    pub async fn refresh_surely(&mut self) {
        while let Err(Unanswered) = self.refresh().await {
            self.trouble("no metadata").await;
        }
    }

    /// The port of a group's coordinator.
    pub async fn coordinator(&mut self, group: &str) -> u16 {
        loop {
            let port = self.any_port();
            let version = any_version::<FindCoordinatorRequest>(0);
            let mut request = FindCoordinatorRequest::default();
            match version {
                0..=3 => request.key = group.to_string(),
                _ => request.coordinator_keys = vec![group.to_string()],
            }
            let found = self.call(port, version, &request).await;
            match found.as_ref().map(coordinator_of) {
                Ok((0, port)) => return u16::try_from(port).expect("a port"),
                // While the disk fails the topic of offsets can't be created.
                Ok((code, _)) => assert_eq!(
                    ErrorCode::from_code(code),
                    Some(ErrorCode::CoordinatorNotAvailable)
                ),
                Err(Unanswered) => {}
            }
            self.trouble("no coordinator").await;
        }
    }

    /// A node to ask what every node knows. Shard 0 is always there, others may be.
    pub fn any_port(&mut self) -> u16 {
        let port = BASE_PORT + below(MOST_SHARDS.into()) as u16;
        if self.links.contains_key(&port) {
            port
        } else {
            BASE_PORT
        }
    }
}

fn coordinator_of(response: &FindCoordinatorResponse) -> (i16, i32) {
    match response.coordinators.first() {
        Some(found) => (found.error_code, found.port),
        None => (response.error_code, response.port),
    }
}

async fn next_frame(link: &mut Link) -> Option<Bytes> {
    loop {
        if let Some(prefix) = link.received.first_chunk::<4>() {
            let length = u32::from_be_bytes(*prefix) as usize;
            if link.received.len() >= 4 + length {
                link.received.advance(4);
                return Some(link.received.split_to(length).freeze());
            }
        }
        link.received.reserve(16 * 1024);
        match link.stream.read_buf(&mut link.received).await {
            Ok(0) | Err(_) => return None,
            Ok(_) => {}
        }
    }
}

/// Any version of a request that is served, from `first` on.
pub fn any_version<R: Request>(first: i16) -> i16 {
    let last = <R as Request>::API.last_stable_version();
    let first = first.max(R::VERSIONS.first);
    first + below((last - first + 1) as u64) as i16
}
