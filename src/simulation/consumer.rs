//! A consumer without a group: follows partitions, or reads at random, with fetch sessions or without.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::rc::Rc;
use std::time::Duration;

use super::client::{Client, any_version};
use super::list_offset::{EARLIEST, list_offset};
use super::oracle::{Oracle, below};
use super::promise::{Promise, Tombstones};
use crate::base::ids::{TopicId, TopicPartition};
use crate::rt;
use crate::wire::errors::ErrorCode;
use crate::wire::messages::FetchRequest;
use crate::wire::messages::fetch::{FetchPartition, FetchTopic, FetchableTopicResponse, PartitionData};

/// The first version with sessions.
const SESSIONS: i16 = 7;
/// The first version that names topics by id.
const TOPIC_IDS: i16 = 13;

/// The first version whose answers say where the log starts.
const LOG_START: i16 = 5;

/// Whether a consumer uses fetch sessions (KIP-227).
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Sessions {
    Yes,
    No,
}

/// A session with one node.
struct Session {
    id: i32,
    epoch: i32,
    version: i16,
    /// The offsets the node knows.
    told: BTreeMap<TopicPartition, i64>,
}

/// A consumer of some partitions.
pub struct Consumer {
    pub client: Client,
    names: BTreeMap<TopicPartition, String>,
    /// The next offset to read of each partition.
    pub positions: BTreeMap<TopicPartition, i64>,
    sessions: Option<BTreeMap<u16, Session>>,
}

/// Consumes until told to stop, or until there is nothing left to consume.
pub async fn consume(
    oracle: Oracle,
    partitions: Vec<(String, TopicPartition)>,
    sessions: Sessions,
    stop: Rc<Cell<bool>>,
) {
    let mut consumer = Consumer::new(Client::new(&oracle), partitions, sessions);
    consumer.client.refresh_surely().await;
    while !stop.get() && !consumer.positions.is_empty() {
        if below(10) == 0 {
            consumer.seek_somewhere();
        }
        let wait_ms = [0, 20, 200][below(3) as usize];
        consumer.round(wait_ms).await;
        rt::sleep(Duration::from_micros(below(20_000))).await;
    }
}

impl Consumer {
    pub fn new(client: Client, partitions: Vec<(String, TopicPartition)>, sessions: Sessions) -> Consumer {
        Consumer {
            client,
            positions: partitions.iter().map(|(_, partition)| (*partition, 0)).collect(),
            names: partitions
                .into_iter()
                .map(|(name, partition)| (partition, name))
                .collect(),
            sessions: (sessions == Sessions::Yes).then(BTreeMap::new),
        }
    }

    fn seek_somewhere(&mut self) {
        let nth = below(self.positions.len() as u64) as usize;
        let (partition, position) = self.positions.iter_mut().nth(nth).expect("it is below");
        // Also to what is gone already.
        *position = below(self.client.oracle.promised_end(*partition) as u64 + 1) as i64;
    }

    /// Fetches once from every leader. Says whether all went well.
    pub async fn round(&mut self, wait_ms: i32) -> bool {
        let oracle = self.client.oracle.clone();
        self.positions
            .retain(|partition, _| oracle.is_live(partition.topic));
        let mut by_leader: BTreeMap<u16, Vec<TopicPartition>> = BTreeMap::new();
        let mut trouble = None;
        for partition in self.positions.keys() {
            match self.client.leader(partition) {
                Some(port) => by_leader.entry(port).or_default().push(*partition),
                None => trouble = Some("no leader".to_string()),
            }
        }
        for (port, partitions) in by_leader {
            if let Err(what) = self.fetch(port, &partitions, wait_ms).await {
                trouble = Some(what);
            }
        }
        let Some(what) = trouble else {
            return true;
        };
        self.client.trouble(what).await;
        let _ = self.client.refresh().await;
        false
    }

    async fn fetch(&mut self, port: u16, partitions: &[TopicPartition], wait_ms: i32) -> Result<(), String> {
        let (version, request) = self.request(port, partitions, wait_ms);
        let oracle = self.client.oracle.clone();
        let promised: BTreeMap<_, _> = partitions
            .iter()
            .map(|id| (*id, (oracle.promised_start(*id), oracle.promised_end(*id))))
            .collect();
        let Ok(response) = self.client.call(port, version, &request).await else {
            self.forget_session(port);
            return Err("no answer to a fetch".to_string());
        };
        let code = ErrorCode::from_code(response.error_code).expect("a known code");
        if code != ErrorCode::None {
            let of_session = matches!(
                code,
                ErrorCode::FetchSessionIdNotFound | ErrorCode::InvalidFetchSessionEpoch
            );
            assert!(of_session && self.sessions.is_some(), "{code:?} for {request:?}");
            self.forget_session(port);
            return Err(format!("{code:?}"));
        }
        if response.session_id != 0 {
            self.session_goes_on(port, response.session_id, version);
        }
        let mut bytes = 0;
        let mut outcome = Ok(());
        for (partition, data) in self.flatten(response.responses) {
            bytes += data.records.as_ref().map_or(0, |records| records.len());
            let (start, end) = promised[&partition];
            if data.error_code == ErrorCode::OffsetOutOfRange.code() {
                outcome = outcome.and(self.begin_again(partition, end).await);
            } else if let Err(what) = self.take(partition, (start, end), data, version) {
                outcome = Err(what);
            }
        }
        // The answer to a full fetch holds something if there was something.
        if outcome.is_ok() && bytes == 0 && request.session_epoch <= 0 {
            for (id, (_, end)) in &promised {
                let position = self.positions[id];
                // Also where the last records say that their keys are deleted, and such records go.
                let may_be_gone = matches!(
                    oracle.promise(id.topic),
                    Promise::ForTime(_)
                        | Promise::ForBytes(_)
                        | Promise::UntilDeath
                        | Promise::NewestOfKey(Tombstones::MayGo)
                );
                assert!(
                    position >= *end || may_be_gone || !oracle.is_live(id.topic),
                    "{id:?} has records from {position} to {end}, and none came"
                );
            }
        }
        outcome
    }

    /// What was to be read is not there, neither before nor behind: goes on where the log begins.
    async fn begin_again(&mut self, partition: TopicPartition, promised: i64) -> Result<(), String> {
        let oracle = self.client.oracle.clone();
        let position = self.positions[&partition];
        let promise = oracle.promise(partition.topic);
        assert!(
            promise.forgets() || promise == Promise::UntilDeath,
            "{partition:?} has nothing at {position}, and ends at {promised}"
        );
        let name = self.names[&partition].clone();
        let start = list_offset(&mut self.client, &name, partition, EARLIEST).await?;
        assert!(
            position < start || position > promised || promise == Promise::UntilDeath,
            "{partition:?} has nothing at {position}, and is there from {start} to {promised}"
        );
        self.positions.insert(partition, start);
        Ok(())
    }

    fn take(
        &mut self,
        partition: TopicPartition,
        (start, promised): (i64, i64),
        data: PartitionData,
        version: i16,
    ) -> Result<(), String> {
        let oracle = &self.client.oracle;
        let position = self.positions[&partition];
        let code = ErrorCode::from_code(data.error_code).expect("a known code");
        match code {
            ErrorCode::None => {}
            ErrorCode::NotLeaderOrFollower | ErrorCode::KafkaStorageError => return Err(format!("{code:?}")),
            _ => {
                let is_unknown = matches!(
                    code,
                    ErrorCode::UnknownTopicId | ErrorCode::UnknownTopicOrPartition
                );
                let is_gone = is_unknown && !oracle.is_live(partition.topic);
                assert!(
                    is_gone,
                    "{partition:?} from {position}, which ends at {promised}: {code:?}"
                );
                return Ok(());
            }
        }
        oracle.saw_end(partition, promised, data.high_watermark);
        if version >= LOG_START {
            oracle.saw_start(partition, start, data.log_start_offset);
        }
        assert_eq!(
            data.last_stable_offset, data.high_watermark,
            "there are no transactions"
        );
        let records = data.records.unwrap_or_default();
        if let Some(next) = oracle.read(partition, &records) {
            let first = crate::wire::records::batches(&records)
                .next()
                .expect("a batch")
                .expect("a good one");
            // Of a compacted topic what was at the position may be gone.
            let begins_in_time =
                first.header().base_offset.0 <= position || oracle.promise(partition.topic).compacts();
            assert!(
                begins_in_time && position < first.header().next_offset().0,
                "{partition:?} was asked for {position} and gave {}",
                first.header().base_offset.0
            );
            assert!(
                next <= data.high_watermark,
                "{partition:?} showed what is beyond its high watermark"
            );
            self.positions.insert(partition, next);
        }
        Ok(())
    }

    fn request(&mut self, port: u16, partitions: &[TopicPartition], wait_ms: i32) -> (i16, FetchRequest) {
        let mut request = FetchRequest {
            max_wait_ms: wait_ms,
            min_bytes: 1,
            max_bytes: [1, 5_000, 10_000_000][below(3) as usize],
            ..FetchRequest::default()
        };
        let by_id_only = self.names.values().any(|name| name.starts_with("deletable"));
        let first_version = if by_id_only { TOPIC_IDS } else { 0 };
        let Some(sessions) = &mut self.sessions else {
            let wanted: Vec<_> = partitions.iter().map(|id| (*id, self.positions[id])).collect();
            request.topics = self.topics(&wanted);
            return (any_version::<FetchRequest>(first_version), request);
        };
        // Partitions that moved to another node or are gone: a new session is the simplest way to forget them.
        if sessions
            .get(&port)
            .is_some_and(|session| session.told.keys().any(|id| !partitions.contains(id)))
        {
            sessions.remove(&port);
        }
        let session = sessions.entry(port).or_insert_with(|| Session {
            id: 0,
            epoch: 0,
            version: any_version::<FetchRequest>(first_version.max(SESSIONS)),
            told: BTreeMap::new(),
        });
        request.session_id = session.id;
        request.session_epoch = session.epoch;
        let mut changed = Vec::new();
        for partition in partitions {
            let position = self.positions[partition];
            if session.told.insert(*partition, position) != Some(position) {
                changed.push((*partition, position));
            }
        }
        let version = session.version;
        request.topics = self.topics(&changed);
        (version, request)
    }

    fn topics(&self, wanted: &[(TopicPartition, i64)]) -> Vec<FetchTopic> {
        let topic = |(id, position): &(TopicPartition, i64)| FetchTopic {
            topic: self.names[id].clone(),
            topic_id: id.topic,
            partitions: vec![FetchPartition {
                partition: id.partition,
                fetch_offset: *position,
                partition_max_bytes: [1, 3_000, 1_000_000][below(3) as usize],
                ..FetchPartition::default()
            }],
        };
        wanted.iter().map(topic).collect()
    }

    fn flatten(&self, responses: Vec<FetchableTopicResponse>) -> Vec<(TopicPartition, PartitionData)> {
        let mut all = Vec::new();
        for topic in responses {
            for data in topic.partitions {
                let is_it = |(id, name): &(&TopicPartition, &String)| {
                    let same = match topic.topic_id {
                        TopicId::ZERO => **name == topic.topic,
                        topic_id => id.topic == topic_id,
                    };
                    same && id.partition == data.partition_index
                };
                let found = self.names.iter().find(is_it);
                let (id, _) = found.expect("an answer for what was asked");
                all.push((*id, data));
            }
        }
        all
    }

    fn session_goes_on(&mut self, port: u16, id: i32, version: i16) {
        if let Some(session) = self
            .sessions
            .as_mut()
            .and_then(|sessions| sessions.get_mut(&port))
        {
            assert!(session.id == 0 || session.id == id, "a session keeps its id");
            assert_eq!(session.version, version);
            session.id = id;
            session.epoch += 1;
        }
    }

    fn forget_session(&mut self, port: u16) {
        if let Some(sessions) = &mut self.sessions {
            sessions.remove(&port);
        }
    }
}
