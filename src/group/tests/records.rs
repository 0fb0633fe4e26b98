//! Records as bytes: Kafka's, ours, and what is neither.

use std::rc::Rc;

use bytes::Bytes;

use super::kafkas_bytes::kafkas_partition;
use super::lab::START_MS;
use crate::base::ids::{LeaderEpoch, Offset, ProducerEpoch, ProducerId, TopicId};
use crate::group::stored::{
    CommittedOffset, MalformedRecord, OffsetKey, RecordOrigin, ReplayError, StoredGroup, StoredMember,
    StoredRecord, StoredState, replay_batches, to_batches,
};
use crate::wire::records::{BatchBuilder, Compression, ControlMarker, MarkerKind, batches};

#[test]
fn kafkas_records_are_read_and_written_alike() {
    let mut records = 0;
    for batch in batches(&kafkas_partition()) {
        let batch = batch.expect("whole");
        for record in batch.records().expect("uncompressed") {
            let record = record.expect("whole");
            let stored = StoredRecord::from_bytes(record.key, record.value)
                .expect("well-formed")
                .expect("known");
            let (key, value) = stored.to_bytes().expect("short texts");
            assert_eq!(
                (Some(&key[..]), value.as_deref()),
                (record.key, record.value),
                "{stored:?}"
            );
            records += 1;
        }
    }
    assert_eq!(records, 5);
}

#[test]
fn kafkas_partition_is_replayed() {
    let mut state = StoredState::default();
    replay_batches(&mut state, &kafkas_partition()).expect("well-formed");
    let group = state.group("g1").expect("written");
    assert_eq!(
        (group.protocol_type.as_deref(), group.generation, &group.protocol),
        (Some("consumer"), 2, &None)
    );
    assert_eq!(
        (group.state_timestamp_ms, group.members.len()),
        (Some(1_795_230_936_395), 0)
    );
    for (partition, offset, leader_epoch) in [(0, 3, 0), (1, 0, -1)] {
        let committed = state.offsets().get("g1", "t1", partition).expect("committed");
        assert_eq!(
            (committed.offset, committed.leader_epoch),
            (Offset(offset), LeaderEpoch(leader_epoch))
        );
        assert_eq!(committed.topic_id.to_string(), "7lzMQ4ZKRbOSONQoP1T9rw");
    }
}

fn offset_record(partition: i32, value: Option<CommittedOffset>) -> StoredRecord {
    StoredRecord::Offset {
        key: OffsetKey {
            group: "g".into(),
            topic: "t".into(),
            partition,
        },
        value,
    }
}

fn committed(offset: i64) -> CommittedOffset {
    CommittedOffset {
        offset: Offset(offset),
        leader_epoch: LeaderEpoch(3),
        metadata: "ü".into(),
        commit_timestamp_ms: START_MS,
        expire_timestamp_ms: None,
        topic_id: TopicId([7; 16]),
    }
}

#[test]
fn every_kind_of_record_comes_back() {
    let member = StoredMember {
        member_id: "m".into(),
        instance_id: Some("i".into()),
        client_id: "c".into(),
        client_host: "/::1".into(),
        rebalance_timeout_ms: 1,
        session_timeout_ms: 2,
        subscription: Bytes::from_static(b"sub"),
        assignment: Bytes::new(),
    };
    let group = StoredGroup {
        protocol_type: Some("consumer".into()),
        generation: 9,
        protocol: Some("range".into()),
        leader: Some("m".into()),
        state_timestamp_ms: Some(START_MS),
        members: vec![
            StoredMember {
                instance_id: None,
                ..member.clone()
            },
            member,
        ],
    };
    let with_expiry = CommittedOffset {
        expire_timestamp_ms: Some(START_MS + 1),
        leader_epoch: LeaderEpoch(-1),
        topic_id: TopicId::ZERO,
        ..committed(1)
    };
    let id: Rc<str> = "g".into();
    for (record, version) in [
        (
            StoredRecord::Group {
                group: id.clone(),
                value: Some(group),
            },
            Some(3),
        ),
        (
            StoredRecord::Group {
                group: id.clone(),
                value: Some(StoredGroup::default()),
            },
            Some(3),
        ),
        (StoredRecord::group_tombstone(&id), None),
        (offset_record(0, Some(committed(5))), Some(4)),
        (
            offset_record(
                0,
                Some(CommittedOffset {
                    topic_id: TopicId::ZERO,
                    ..committed(5)
                }),
            ),
            Some(3),
        ),
        (offset_record(0, Some(with_expiry)), Some(1)),
        (offset_record(0, None), None),
    ] {
        let (key, value) = record.to_bytes().expect("short texts");
        assert_eq!(
            value
                .as_ref()
                .map(|value| i16::from_be_bytes([value[0], value[1]])),
            version,
            "{record:?}"
        );
        assert_eq!(
            StoredRecord::from_bytes(Some(&key), value.as_deref()),
            Ok(Some(record))
        );
    }
}

#[test]
fn old_and_foreign_records() {
    // An offset of the first format: key version 0, value version 0.
    let key = b"\0\0\0\x01g\0\x01t\0\0\0\x02";
    let value = b"\0\0\0\0\0\0\0\0\0\x05\0\x01m\0\0\0\0\0\0\0\x07";
    let Ok(Some(StoredRecord::Offset {
        key,
        value: Some(value),
    })) = StoredRecord::from_bytes(Some(key), Some(value))
    else {
        panic!("not understood");
    };
    assert_eq!(
        (&*key.topic, key.partition, value.offset, &*value.metadata),
        ("t", 2, Offset(5), "m")
    );
    assert_eq!(
        (value.leader_epoch, value.expire_timestamp_ms, value.topic_id),
        (LeaderEpoch(-1), None, TopicId::ZERO)
    );
    // Consumer groups of the next protocol (KIP-848) have keys from 3 on.
    assert_eq!(
        StoredRecord::from_bytes(Some(b"\0\x03\0\x01g"), Some(b"\0\0")),
        Ok(None)
    );
}

#[test]
fn malformed_records_are_named() {
    assert_eq!(StoredRecord::from_bytes(None, None), Err(MalformedRecord::NoKey));
    for (key, value) in [
        (&b""[..], None),
        (b"\0", None),
        (b"\0\x01\0\x05g", None),
        (b"\0\x02\0\x01g", Some(&b"\0\x03\0"[..])),
        (b"\0\x02\0\x01g", Some(b"\0\x09\0\0")),
        (b"\0\x02\0\x01g", Some(b"")),
    ] {
        let read = StoredRecord::from_bytes(Some(key), value);
        assert!(
            matches!(read, Err(MalformedRecord::Bytes(_))),
            "{key:?}: {read:?}"
        );
    }
    let mut builder = BatchBuilder::new(Compression::None).base_offset(Offset(41));
    builder.append(START_MS, Some(b"\0\x03x"), Some(b""), &[]);
    builder.append(START_MS, Some(b"\0\x02\0\x01g"), Some(b"\0\x03\0"), &[]);
    let bytes = builder.build().expect("uncompressed");
    let error = replay_batches(&mut StoredState::default(), &bytes).expect_err("the second is cut");
    assert!(
        matches!(
            error,
            ReplayError::Record {
                offset: Offset(42),
                ..
            }
        ),
        "{error}"
    );
}

#[test]
fn texts_too_long_for_the_format_are_refused() {
    let record = StoredRecord::group_tombstone(&"x".repeat(40_000).into());
    assert!(record.to_bytes().is_err());
}

#[test]
fn many_records_make_several_batches() {
    let records: Vec<_> = (0..1_000)
        .map(|i| offset_record(i, Some(committed(i64::from(i)))))
        .collect();
    for (limit, expected) in [(1 << 20, 1), (10_000, 7), (1, 1_000)] {
        let bytes = to_batches(&records, START_MS, limit).expect("short texts");
        let (mut count, mut read) = (0, StoredState::default());
        for batch in batches(&bytes) {
            let batch = batch.expect("whole");
            assert!(batch.bytes().len() <= limit || batch.header().record_count == 1);
            batch.check_crc().expect("sums");
            count += 1;
        }
        assert_eq!(count, expected, "{limit}");
        // The log gives the batches their offsets; here only their order counts.
        replay_batches(&mut read, &bytes).expect("well-formed");
        assert_eq!(read.offsets().len(), 1_000);
    }
}

#[test]
fn transactional_batches_and_their_markers() {
    let batch = |producer: i64, offset: i64| {
        let mut builder = BatchBuilder::new(Compression::Zstd)
            .base_offset(Offset(offset))
            .producer(ProducerId(producer), ProducerEpoch(0), 0)
            .transactional();
        let (key, value) = offset_record(producer as i32, Some(committed(offset)))
            .to_bytes()
            .expect("short texts");
        builder.append(START_MS, Some(&key), value.as_deref(), &[]);
        builder.build().expect("compresses")
    };
    let marker = |producer: i64, offset: i64, kind| {
        let mut builder = BatchBuilder::new(Compression::None)
            .base_offset(Offset(offset))
            .producer(ProducerId(producer), ProducerEpoch(0), -1);
        builder.append_control(
            START_MS,
            ControlMarker {
                kind,
                coordinator_epoch: 0,
            },
        );
        builder.build().expect("uncompressed")
    };
    let log = [
        batch(1, 0),
        batch(2, 1),
        batch(3, 2),
        marker(1, 3, MarkerKind::Commit),
        marker(2, 4, MarkerKind::Abort),
    ]
    .concat();
    let mut state = StoredState::default();
    replay_batches(&mut state, &log).expect("well-formed");
    let offsets = state.offsets();
    assert_eq!(
        offsets.get("g", "t", 1).map(|committed| committed.offset),
        Some(Offset(0))
    );
    assert_eq!(offsets.get("g", "t", 2), None);
    let (group, topic): (Rc<str>, Rc<str>) = ("g".into(), "t".into());
    assert_eq!(
        [1, 2, 3].map(|p| offsets.is_pending(&group, &topic, p)),
        [false, false, true]
    );
    assert!(offsets.has_open_transaction("g"));
    let mut plain = state.clone();
    plain.apply(
        RecordOrigin {
            offset: Offset(9),
            transaction: None,
        },
        offset_record(3, None),
    );
    assert!(!plain.offsets().is_pending(&group, &topic, 3));
}
