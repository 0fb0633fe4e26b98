//! What members of a classic consumer group tell each other through JoinGroup and SyncGroup. A two-byte version
//! stands in front of each.

use bytes::Bytes;

use crate::wire::codec::messages;

messages! {
    data ConsumerProtocolAssignment, versions 0-3;

    struct ConsumerProtocolAssignment {
        assigned_partitions: Vec<ConsumerProtocolAssignmentTopicPartition>, 0+;
        user_data: Option<Bytes>, 0+, nullable 0+;
    }

    struct ConsumerProtocolAssignmentTopicPartition {
        topic: String, 0+;
        partitions: Vec<i32>, 0+;
    }
}

messages! {
    data ConsumerProtocolSubscription, versions 0-3;

    struct ConsumerProtocolSubscription {
        topics: Vec<String>, 0+;
        user_data: Option<Bytes>, 0+, nullable 0+;
        owned_partitions: Vec<ConsumerProtocolSubscriptionTopicPartition>, 1+;
        generation_id: i32, 2+, default -1;
        rack_id: Option<String>, 3+, nullable 3+;
    }

    struct ConsumerProtocolSubscriptionTopicPartition {
        topic: String, 1+;
        partitions: Vec<i32>, 1+;
    }
}
