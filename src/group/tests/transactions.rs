//! Offsets that wait for the end of a transaction.

use std::rc::Rc;

use super::lab::{GROUP, START_MS};
use crate::base::ids::{LeaderEpoch, Offset, ProducerId, TopicId};
use crate::base::time::{Monotonic, WallMs};
use crate::group::request::{FetchedOffset, Stability};
use crate::group::stored::{
    CommittedOffset, OffsetKey, RecordOrigin, StoredRecord, StoredState, TransactionEnd,
};
use crate::group::{CoordinatorEngine, GroupSettings, Now};

enum Entry {
    Plain(i64),
    Pending(i64, i64),
    End(i64, TransactionEnd),
    Tombstone,
}
use Entry::*;
use TransactionEnd::{Abort, Commit};

/// Replays the entries, each at its index, and reads the offset both ways.
fn check(entries: &[Entry], any: Option<i64>, stable: Result<Option<i64>, ()>) {
    let mut state = StoredState::default();
    let key = OffsetKey {
        group: GROUP.into(),
        topic: "t".into(),
        partition: 0,
    };
    let value = |offset: i64| CommittedOffset {
        offset: Offset(offset),
        leader_epoch: LeaderEpoch(-1),
        metadata: "".into(),
        commit_timestamp_ms: START_MS,
        expire_timestamp_ms: None,
        topic_id: TopicId::ZERO,
    };
    for (i, entry) in entries.iter().enumerate() {
        let origin = |transaction: Option<i64>| RecordOrigin {
            offset: Offset(i as i64),
            transaction: transaction.map(ProducerId),
        };
        let record = |value| StoredRecord::Offset {
            key: key.clone(),
            value,
        };
        match entry {
            Plain(offset) => state.apply(origin(None), record(Some(value(*offset)))),
            Pending(producer, offset) => state.apply(origin(Some(*producer)), record(Some(value(*offset)))),
            End(producer, end) => state.apply_transaction_end(ProducerId(*producer), *end),
            Tombstone => state.apply(origin(None), record(None)),
        }
    }
    let now = Now {
        monotonic: Monotonic(0),
        wall: WallMs(START_MS),
    };
    let (engine, _) = CoordinatorEngine::load(GroupSettings::default(), state, now);
    let (group, topic): (Rc<str>, Rc<str>) = (GROUP.into(), "t".into());
    let read = |stability| match engine.fetch_offset(&group, &topic, TopicId::ZERO, 0, stability) {
        FetchedOffset::Absent => Ok(None),
        FetchedOffset::Unstable => Err(()),
        FetchedOffset::Committed { offset, .. } => Ok(Some(offset.0)),
    };
    assert_eq!(read(Stability::Any), Ok(any));
    assert_eq!(read(Stability::Required), stable);
}

#[test]
fn an_offset_counts_when_its_transaction_commits() {
    check(&[Pending(1, 10)], None, Err(()));
    check(&[Plain(5), Pending(1, 10)], Some(5), Err(()));
    check(
        &[Plain(5), Pending(1, 10), End(1, Commit)],
        Some(10),
        Ok(Some(10)),
    );
    check(&[Plain(5), Pending(1, 10), End(1, Abort)], Some(5), Ok(Some(5)));
    check(&[Pending(1, 10), End(2, Commit)], None, Err(()));
    check(
        &[Pending(1, 10), Pending(2, 20), End(1, Commit)],
        Some(10),
        Err(()),
    );
    check(&[Pending(1, 10), End(1, Abort), End(1, Commit)], None, Ok(None));
}

#[test]
fn the_commit_further_on_in_the_log_wins() {
    check(&[Pending(1, 10), Plain(5), End(1, Commit)], Some(5), Ok(Some(5)));
    check(
        &[Pending(2, 20), Pending(1, 10), End(1, Commit), End(2, Commit)],
        Some(10),
        Ok(Some(10)),
    );
}

#[test]
fn a_tombstone_takes_what_is_pending_along() {
    check(
        &[Plain(5), Pending(1, 10), Tombstone, End(1, Commit)],
        None,
        Ok(None),
    );
}
