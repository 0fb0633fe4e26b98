//! `__consumer_offsets`: committed offsets. A two-byte version stands in front of key and value; a key's version
//! names the type of the record: 1, and 0 for what Kafka once wrote.

use crate::base::ids::TopicId;
use crate::wire::codec::messages;

messages! {
    data LegacyOffsetCommitKey, versions 0-0;

    struct LegacyOffsetCommitKey {
        group: String, 0-0;
        topic: String, 0-0;
        partition: i32, 0-0;
    }
}

messages! {
    data LegacyOffsetCommitValue, versions 0-0;

    struct LegacyOffsetCommitValue {
        offset: i64, 0-0;
        metadata: String, 0-0;
        commit_timestamp: i64, 0-0;
    }
}

messages! {
    data OffsetCommitKey, versions 0-0;

    struct OffsetCommitKey {
        group: String, 0-0;
        topic: String, 0-0;
        partition: i32, 0-0;
    }
}

messages! {
    data OffsetCommitValue, versions 0-4, flexible 4+;

    struct OffsetCommitValue {
        offset: i64, 0+;
        leader_epoch: i32, 3+, default -1;
        metadata: String, 0+;
        commit_timestamp: i64, 0+;
        expire_timestamp: i64, 1-1, default -1;
    } tagged {
        0: topic_id: TopicId, 4+;
    }
}
