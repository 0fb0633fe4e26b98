//! `__consumer_offsets`: records of consumer groups (KIP-848).

use bytes::Bytes;

use crate::base::ids::TopicId;
use crate::wire::codec::messages;

messages! {
    data ConsumerGroupCurrentMemberAssignmentKey, versions 0-0;

    struct ConsumerGroupCurrentMemberAssignmentKey {
        group_id: String, 0-0;
        member_id: String, 0-0;
    }
}

messages! {
    data ConsumerGroupCurrentMemberAssignmentValue, versions 0-0, flexible 0+;

    struct ConsumerGroupCurrentMemberAssignmentValue {
        member_epoch: i32, 0+;
        previous_member_epoch: i32, 0+;
        state: i8, 0+;
        assigned_partitions: Vec<TopicPartitions>, 0+;
        partitions_pending_revocation: Vec<TopicPartitions>, 0+;
    }

    struct TopicPartitions {
        topic_id: TopicId, 0+;
        partitions: Vec<i32>, 0+;
    } tagged {
        0: assignment_epochs: Option<Vec<i32>>, 0+, nullable 0+, default Some(Default::default());
    }
}

messages! {
    data ConsumerGroupMemberMetadataKey, versions 0-0;

    struct ConsumerGroupMemberMetadataKey {
        group_id: String, 0-0;
        member_id: String, 0-0;
    }
}

messages! {
    data ConsumerGroupMemberMetadataValue, versions 0-0, flexible 0+;

    struct ConsumerGroupMemberMetadataValue {
        instance_id: Option<String>, 0+, nullable 0+;
        rack_id: Option<String>, 0+, nullable 0+;
        client_id: String, 0+;
        client_host: String, 0+;
        subscribed_topic_names: Vec<String>, 0+;
        subscribed_topic_regex: Option<String>, 0+, nullable 0+;
        rebalance_timeout_ms: i32, 0+, default -1;
        server_assignor: Option<String>, 0+, nullable 0+;
    } tagged {
        0: classic_member_metadata: Option<ClassicMemberMetadata>, 0+, nullable 0+, default Some(Default::default());
    }

    struct ClassicMemberMetadata {
        session_timeout_ms: i32, 0+;
        supported_protocols: Vec<ClassicProtocol>, 0+;
    }

    struct ClassicProtocol {
        name: String, 0+;
        metadata: Bytes, 0+;
    }
}

messages! {
    data ConsumerGroupMetadataKey, versions 0-0;

    struct ConsumerGroupMetadataKey {
        group_id: String, 0-0;
    }
}

messages! {
    data ConsumerGroupMetadataValue, versions 0-0, flexible 0+;

    struct ConsumerGroupMetadataValue {
        epoch: i32, 0+;
    } tagged {
        0: metadata_hash: i64, 0+;
    }
}

messages! {
    data ConsumerGroupPartitionMetadataKey, versions 0-0;

    struct ConsumerGroupPartitionMetadataKey {
        group_id: String, 0-0;
    }
}

messages! {
    data ConsumerGroupPartitionMetadataValue, versions 0-0, flexible 0+;

    struct ConsumerGroupPartitionMetadataValue {
        topics: Vec<TopicMetadata>, 0+;
    }

    struct TopicMetadata {
        topic_id: TopicId, 0+;
        topic_name: String, 0+;
        num_partitions: i32, 0+;
        partition_metadata: Vec<PartitionMetadata>, 0+;
    }

    struct PartitionMetadata {
        partition: i32, 0+;
        racks: Vec<String>, 0+;
    }
}

messages! {
    data ConsumerGroupRegularExpressionKey, versions 0-0;

    struct ConsumerGroupRegularExpressionKey {
        group_id: String, 0-0;
        regular_expression: String, 0-0;
    }
}

messages! {
    data ConsumerGroupRegularExpressionValue, versions 0-0, flexible 0+;

    struct ConsumerGroupRegularExpressionValue {
        topics: Vec<String>, 0+;
        version: i64, 0+;
        timestamp: i64, 0+;
    }
}

messages! {
    data ConsumerGroupTargetAssignmentMemberKey, versions 0-0;

    struct ConsumerGroupTargetAssignmentMemberKey {
        group_id: String, 0-0;
        member_id: String, 0-0;
    }
}

messages! {
    data ConsumerGroupTargetAssignmentMemberValue, versions 0-0, flexible 0+;

    struct ConsumerGroupTargetAssignmentMemberValue {
        topic_partitions: Vec<TopicPartition>, 0+;
    }

    struct TopicPartition {
        topic_id: TopicId, 0+;
        partitions: Vec<i32>, 0+;
    }
}

messages! {
    data ConsumerGroupTargetAssignmentMetadataKey, versions 0-0;

    struct ConsumerGroupTargetAssignmentMetadataKey {
        group_id: String, 0-0;
    }
}

messages! {
    data ConsumerGroupTargetAssignmentMetadataValue, versions 0-0, flexible 0+;

    struct ConsumerGroupTargetAssignmentMetadataValue {
        assignment_epoch: i32, 0+;
    } tagged {
        0: assignment_timestamp: i64, 0+;
    }
}
