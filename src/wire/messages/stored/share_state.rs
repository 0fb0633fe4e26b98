//! `__share_group_state`: snapshots of share partitions and changes to them (KIP-932).

use crate::base::ids::TopicId;
use crate::wire::codec::messages;

messages! {
    data ShareSnapshotKey, versions 0-0;

    struct ShareSnapshotKey {
        group_id: String, 0-0;
        topic_id: TopicId, 0-0;
        partition: i32, 0-0;
    }
}

messages! {
    data ShareSnapshotValue, versions 0-0, flexible 0+;

    struct ShareSnapshotValue {
        snapshot_epoch: i32, 0+;
        state_epoch: i32, 0+;
        leader_epoch: i32, 0+;
        start_offset: i64, 0+;
        create_timestamp: i64, 0+;
        write_timestamp: i64, 0+;
        state_batches: Vec<ShareSnapshotValueStateBatch>, 0+;
    } tagged {
        0: delivery_complete_count: i32, 0+, default -1;
    }

    struct ShareSnapshotValueStateBatch {
        first_offset: i64, 0+;
        last_offset: i64, 0+;
        delivery_state: i8, 0+;
        delivery_count: i16, 0+;
    }
}

messages! {
    data ShareUpdateKey, versions 0-0;

    struct ShareUpdateKey {
        group_id: String, 0-0;
        topic_id: TopicId, 0-0;
        partition: i32, 0-0;
    }
}

messages! {
    data ShareUpdateValue, versions 0-0, flexible 0+;

    struct ShareUpdateValue {
        snapshot_epoch: i32, 0+;
        leader_epoch: i32, 0+;
        start_offset: i64, 0+;
        state_batches: Vec<ShareUpdateValueStateBatch>, 0+;
    } tagged {
        0: delivery_complete_count: i32, 0+, default -1;
    }

    struct ShareUpdateValueStateBatch {
        first_offset: i64, 0+;
        last_offset: i64, 0+;
        delivery_state: i8, 0+;
        delivery_count: i16, 0+;
    }
}
