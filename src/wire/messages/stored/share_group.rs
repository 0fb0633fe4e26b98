//! `__consumer_offsets`: records of share groups (KIP-932).

use crate::base::ids::TopicId;
use crate::wire::codec::messages;

messages! {
    data ShareGroupCurrentMemberAssignmentKey, versions 0-0;

    struct ShareGroupCurrentMemberAssignmentKey {
        group_id: String, 0-0;
        member_id: String, 0-0;
    }
}

messages! {
    data ShareGroupCurrentMemberAssignmentValue, versions 0-0, flexible 0+;

    struct ShareGroupCurrentMemberAssignmentValue {
        member_epoch: i32, 0+;
        previous_member_epoch: i32, 0+;
        state: i8, 0+;
        assigned_partitions: Vec<TopicPartitions>, 0+;
    }

    struct TopicPartitions {
        topic_id: TopicId, 0+;
        partitions: Vec<i32>, 0+;
    }
}

messages! {
    data ShareGroupMemberMetadataKey, versions 0-0;

    struct ShareGroupMemberMetadataKey {
        group_id: String, 0-0;
        member_id: String, 0-0;
    }
}

messages! {
    data ShareGroupMemberMetadataValue, versions 0-0, flexible 0+;

    struct ShareGroupMemberMetadataValue {
        rack_id: Option<String>, 0+, nullable 0+;
        client_id: String, 0+;
        client_host: String, 0+;
        subscribed_topic_names: Vec<String>, 0+;
    }
}

messages! {
    data ShareGroupMetadataKey, versions 0-0;

    struct ShareGroupMetadataKey {
        group_id: String, 0-0;
    }
}

messages! {
    data ShareGroupMetadataValue, versions 0-0, flexible 0+;

    struct ShareGroupMetadataValue {
        epoch: i32, 0+;
        metadata_hash: i64, 0+;
    }
}

messages! {
    data ShareGroupStatePartitionMetadataKey, versions 0-0;

    struct ShareGroupStatePartitionMetadataKey {
        group_id: String, 0-0;
    }
}

messages! {
    data ShareGroupStatePartitionMetadataValue, versions 0-0, flexible 0+;

    struct ShareGroupStatePartitionMetadataValue {
        initializing_topics: Vec<TopicPartitionsInfo>, 0+;
        initialized_topics: Vec<TopicPartitionsInfo>, 0+;
        deleting_topics: Vec<TopicInfo>, 0+;
    }

    struct TopicPartitionsInfo {
        topic_id: TopicId, 0+;
        topic_name: String, 0+;
        partitions: Vec<i32>, 0+;
    }

    struct TopicInfo {
        topic_id: TopicId, 0+;
        topic_name: String, 0+;
    }
}

messages! {
    data ShareGroupTargetAssignmentMemberKey, versions 0-0;

    struct ShareGroupTargetAssignmentMemberKey {
        group_id: String, 0-0;
        member_id: String, 0-0;
    }
}

messages! {
    data ShareGroupTargetAssignmentMemberValue, versions 0-0, flexible 0+;

    struct ShareGroupTargetAssignmentMemberValue {
        topic_partitions: Vec<TopicPartition>, 0+;
    }

    struct TopicPartition {
        topic_id: TopicId, 0+;
        partitions: Vec<i32>, 0+;
    }
}

messages! {
    data ShareGroupTargetAssignmentMetadataKey, versions 0-0;

    struct ShareGroupTargetAssignmentMetadataKey {
        group_id: String, 0-0;
    }
}

messages! {
    data ShareGroupTargetAssignmentMetadataValue, versions 0-0, flexible 0+;

    struct ShareGroupTargetAssignmentMetadataValue {
        assignment_epoch: i32, 0+;
    } tagged {
        0: assignment_timestamp: i64, 0+;
    }
}
