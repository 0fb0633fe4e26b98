//! Fetch sessions (KIP-227): a client that fetches the same partitions again and again sends only what changes, and is sent
//! only what changed.
//!
//! Pure: no I/O, no clock of its own. One cache per shard, bounded; a session that has no place is served as a full fetch,
//! which every client understands.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use crate::base::ids::{LeaderEpoch, Offset, TopicId};
use crate::base::time::Monotonic;
use crate::wire::errors::ErrorCode;

/// Session id of a fetch without a session.
pub const NO_SESSION: i32 = 0;
/// Epoch of a request that opens a session.
const FIRST_EPOCH: i32 = 0;
/// Epoch of a request that closes its session, or wants none.
const FINAL_EPOCH: i32 = -1;

/// A session unused for this long may be thrown out for another, in nanoseconds. Kafka's 2 minutes.
const EVICTION_NS: u64 = 120_000_000_000;

/// Partitions a session may hold; a fetch of more is served without one. A guess: it bounds a session to some MiB, and
/// is above what one consumer of one shard is given in practice.
const MAX_SESSION_PARTITIONS: usize = 50_000;

/// How a request names a topic: by name up to version 12, by id from 13 on.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum FetchTopic {
    /// By name.
    Name(Arc<str>),
    /// By id.
    Id(TopicId),
}

/// What a client wants of one partition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FetchPartition {
    /// The topic.
    pub topic: FetchTopic,
    /// The partition's index.
    pub partition: i32,
    /// First offset wanted.
    pub fetch_offset: Offset,
    /// Most bytes wanted.
    pub max_bytes: i32,
    /// The leader epoch the client knows, -1 for none.
    pub current_leader_epoch: LeaderEpoch,
    /// Epoch of the last record the client has, -1 for none (KIP-595).
    pub last_fetched_epoch: LeaderEpoch,
}

/// What a client was last told of a partition, for deciding whether there is news.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Told {
    /// High watermark.
    pub high_watermark: Offset,
    /// Log start offset.
    pub log_start: Offset,
    /// Whether an error was told.
    pub error: bool,
}

struct SessionPartition {
    wanted: FetchPartition,
    told: Option<Told>,
}

struct Session {
    connection: u64,
    /// Whether the session names topics by id.
    by_id: bool,
    next_epoch: i32,
    last_used: Monotonic,
    /// In the order in which they are served: partitions that gave records go to the end, so that none starves.
    order: BTreeMap<u64, SessionPartition>,
    places: HashMap<(FetchTopic, i32), u64>,
    next_place: u64,
}

impl Session {
    fn put(&mut self, wanted: FetchPartition) {
        let key = (wanted.topic.clone(), wanted.partition);
        if let Some(place) = self.places.get(&key) {
            self.order.get_mut(place).expect("every place is filled").wanted = wanted;
            return;
        }
        self.places.insert(key, self.next_place);
        self.order
            .insert(self.next_place, SessionPartition { wanted, told: None });
        self.next_place += 1;
    }

    fn forget(&mut self, topic: &FetchTopic, partition: i32) {
        if let Some(place) = self.places.remove(&(topic.clone(), partition)) {
            self.order.remove(&place);
        }
    }

    fn move_to_end(&mut self, topic: &FetchTopic, partition: i32) {
        if let Some(place) = self.places.get_mut(&(topic.clone(), partition)) {
            let entry = self.order.remove(place).expect("every place is filled");
            *place = self.next_place;
            self.order.insert(self.next_place, entry);
            self.next_place += 1;
        }
    }
}

/// How a request is to be served.
#[derive(Debug)]
pub struct FetchScope {
    /// The partitions to read, in order.
    pub partitions: Vec<FetchPartition>,
    /// The session to name in the answer; [`NO_SESSION`] for none.
    pub session: i32,
    /// Whether partitions without news are left out of the answer.
    pub incremental: bool,
}

/// All fetch sessions of a shard.
pub struct SessionCache {
    sessions: HashMap<i32, Session>,
    capacity: usize,
}

/// What a request says about its session.
#[derive(Clone, Copy, Debug)]
pub struct SessionRequest {
    /// The connection it came by.
    pub connection: u64,
    /// Session id, [`NO_SESSION`] for none.
    pub session: i32,
    /// Session epoch.
    pub epoch: i32,
    /// Whether topics are named by id.
    pub by_id: bool,
}

impl SessionCache {
    /// A cache for `capacity` sessions.
    pub fn new(capacity: usize) -> SessionCache {
        SessionCache {
            sessions: HashMap::new(),
            capacity,
        }
    }

    /// Decides what a request reads. `random` gives ids for new sessions.
    pub fn begin(
        &mut self,
        request: SessionRequest,
        wanted: Vec<FetchPartition>,
        forgotten: &[(FetchTopic, i32)],
        now: Monotonic,
        random: impl FnMut() -> u64,
    ) -> Result<FetchScope, ErrorCode> {
        if request.epoch == FIRST_EPOCH || request.epoch == FINAL_EPOCH {
            if request.session != NO_SESSION {
                self.sessions.remove(&request.session);
            }
            let session = if request.epoch == FIRST_EPOCH {
                self.open(request, &wanted, now, random)
            } else {
                NO_SESSION
            };
            return Ok(FetchScope {
                partitions: wanted,
                session,
                incremental: false,
            });
        }
        let session = self
            .sessions
            .get_mut(&request.session)
            .ok_or(ErrorCode::FetchSessionIdNotFound)?;
        if session.by_id != request.by_id {
            return Err(ErrorCode::FetchSessionTopicIdError);
        }
        if session.next_epoch != request.epoch {
            return Err(ErrorCode::InvalidFetchSessionEpoch);
        }
        if session.places.len() + wanted.len() > MAX_SESSION_PARTITIONS {
            self.sessions.remove(&request.session);
            return Err(ErrorCode::FetchSessionIdNotFound);
        }
        session.next_epoch = epoch_after(session.next_epoch);
        session.last_used = now;
        session.connection = request.connection;
        for partition in wanted {
            session.put(partition);
        }
        for (topic, partition) in forgotten {
            session.forget(topic, *partition);
        }
        let partitions = session.order.values().map(|p| p.wanted.clone()).collect();
        Ok(FetchScope {
            partitions,
            session: request.session,
            incremental: true,
        })
    }

    /// Notes what the answer tells of a partition. Says whether an incremental answer has to hold it.
    pub fn tell(&mut self, session: i32, partition: &FetchPartition, told: Told, has_records: bool) -> bool {
        let Some(session) = self.sessions.get_mut(&session) else {
            return true;
        };
        let Some(place) = session
            .places
            .get(&(partition.topic.clone(), partition.partition))
        else {
            return true;
        };
        let entry = session.order.get_mut(place).expect("every place is filled");
        let news = has_records || told.error || entry.told != Some(told);
        entry.told = Some(told);
        if has_records {
            session.move_to_end(&partition.topic, partition.partition);
        }
        news
    }

    /// Sessions die with the connection that used them last: clients open new ones on a new connection.
    pub fn close_connection(&mut self, connection: u64) {
        self.sessions
            .retain(|_, session| session.connection != connection);
    }

    fn open(
        &mut self,
        request: SessionRequest,
        wanted: &[FetchPartition],
        now: Monotonic,
        mut random: impl FnMut() -> u64,
    ) -> i32 {
        if wanted.is_empty() || wanted.len() > MAX_SESSION_PARTITIONS || !self.make_room(now) {
            return NO_SESSION;
        }
        let id = loop {
            let id = (random() & 0x7fff_ffff) as i32;
            if id != NO_SESSION && !self.sessions.contains_key(&id) {
                break id;
            }
        };
        let mut session = Session {
            connection: request.connection,
            by_id: request.by_id,
            next_epoch: epoch_after(FIRST_EPOCH),
            last_used: now,
            order: BTreeMap::new(),
            places: HashMap::new(),
            next_place: 0,
        };
        for partition in wanted {
            session.put(partition.clone());
        }
        self.sessions.insert(id, session);
        id
    }

    fn make_room(&mut self, now: Monotonic) -> bool {
        if self.sessions.len() < self.capacity {
            return true;
        }
        let oldest = self
            .sessions
            .iter()
            .min_by_key(|(id, s)| (s.last_used, **id))
            .map(|(id, s)| (*id, s.last_used));
        match oldest {
            Some((id, last_used)) if now.0.saturating_sub(last_used.0) >= EVICTION_NS => {
                self.sessions.remove(&id);
                true
            }
            _ => false,
        }
    }
}

/// Epochs count up and wrap to 1: 0 opens a session.
fn epoch_after(epoch: i32) -> i32 {
    if epoch == i32::MAX { 1 } else { epoch + 1 }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn partition(index: i32, offset: i64) -> FetchPartition {
        FetchPartition {
            topic: FetchTopic::Id(TopicId([1; 16])),
            partition: index,
            fetch_offset: Offset(offset),
            max_bytes: 1000,
            current_leader_epoch: LeaderEpoch(-1),
            last_fetched_epoch: LeaderEpoch(-1),
        }
    }

    fn request(session: i32, epoch: i32) -> SessionRequest {
        SessionRequest {
            connection: 1,
            session,
            epoch,
            by_id: true,
        }
    }

    fn told(high_watermark: i64) -> Told {
        Told {
            high_watermark: Offset(high_watermark),
            log_start: Offset(0),
            error: false,
        }
    }

    fn indexes(scope: &FetchScope) -> Vec<i32> {
        scope.partitions.iter().map(|p| p.partition).collect()
    }

    #[test]
    fn a_session_remembers_its_partitions() {
        let mut cache = SessionCache::new(10);
        let at = Monotonic(0);
        let full = cache
            .begin(
                request(0, 0),
                vec![partition(0, 5), partition(1, 6)],
                &[],
                at,
                || 77,
            )
            .unwrap();
        assert_eq!((full.session, full.incremental), (77, false));
        let next = cache.begin(request(77, 1), vec![], &[], at, || 0).unwrap();
        assert!(next.incremental);
        assert_eq!(indexes(&next), [0, 1]);
        let gone = (FetchTopic::Id(TopicId([1; 16])), 0);
        let next = cache
            .begin(
                request(77, 2),
                vec![partition(1, 9), partition(2, 0)],
                &[gone],
                at,
                || 0,
            )
            .unwrap();
        assert_eq!(indexes(&next), [1, 2]);
        assert_eq!(next.partitions[0].fetch_offset, Offset(9));
    }

    #[test]
    fn wrong_sessions_and_epochs_are_refused() {
        let mut cache = SessionCache::new(10);
        let at = Monotonic(0);
        cache
            .begin(request(0, 0), vec![partition(0, 0)], &[], at, || 77)
            .unwrap();
        let error = |r| Err::<(), _>(r);
        let get = |cache: &mut SessionCache, r| cache.begin(r, vec![], &[], at, || 0).map(|_| ());
        assert_eq!(
            get(&mut cache, request(78, 1)),
            error(ErrorCode::FetchSessionIdNotFound)
        );
        assert_eq!(
            get(&mut cache, request(77, 2)),
            error(ErrorCode::InvalidFetchSessionEpoch)
        );
        let by_name = SessionRequest {
            by_id: false,
            ..request(77, 1)
        };
        assert_eq!(
            get(&mut cache, by_name),
            error(ErrorCode::FetchSessionTopicIdError)
        );
        assert_eq!(get(&mut cache, request(77, 1)), Ok(()));
        assert_eq!(get(&mut cache, request(77, -1)), Ok(()), "closes it");
        assert_eq!(
            get(&mut cache, request(77, 2)),
            error(ErrorCode::FetchSessionIdNotFound)
        );
    }

    #[test]
    fn only_news_is_told_and_full_partitions_go_last() {
        let mut cache = SessionCache::new(10);
        let at = Monotonic(0);
        let parts = vec![partition(0, 0), partition(1, 0)];
        cache.begin(request(0, 0), parts.clone(), &[], at, || 77).unwrap();
        assert!(cache.tell(77, &parts[0], told(3), true));
        assert!(
            cache.tell(77, &parts[1], told(0), false),
            "the first time everything is news"
        );
        let next = cache.begin(request(77, 1), vec![], &[], at, || 0).unwrap();
        assert_eq!(indexes(&next), [1, 0]);
        assert!(!cache.tell(77, &parts[1], told(0), false));
        assert!(
            cache.tell(77, &parts[1], told(1), false),
            "the high watermark moved"
        );
        let failed = Told {
            error: true,
            ..told(1)
        };
        assert!(cache.tell(77, &parts[1], failed, false));
        assert!(cache.tell(77, &parts[1], failed, false), "errors are told again");
        assert!(cache.tell(77, &parts[1], told(1), false), "and so is their end");
    }

    #[test]
    fn a_full_cache_throws_out_only_the_unused() {
        let mut cache = SessionCache::new(1);
        let open = |cache: &mut SessionCache, at, id| {
            cache
                .begin(
                    request(0, 0),
                    vec![partition(0, 0)],
                    &[],
                    Monotonic(at),
                    move || id,
                )
                .unwrap()
                .session
        };
        assert_eq!(open(&mut cache, 0, 5), 5);
        assert_eq!(open(&mut cache, EVICTION_NS - 1, 6), NO_SESSION);
        assert_eq!(open(&mut cache, EVICTION_NS, 7), 7);
        assert_eq!(cache.sessions.len(), 1);
        cache.close_connection(1);
        assert_eq!(cache.sessions.len(), 0);
    }
}
