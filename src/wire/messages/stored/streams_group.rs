//! `__consumer_offsets`: records of streams groups (KIP-1071).

use crate::wire::codec::messages;

messages! {
    data StreamsGroupCurrentMemberAssignmentKey, versions 0-0;

    struct StreamsGroupCurrentMemberAssignmentKey {
        group_id: String, 0-0;
        member_id: String, 0-0;
    }
}

messages! {
    data StreamsGroupCurrentMemberAssignmentValue, versions 0-0, flexible 0+;

    struct StreamsGroupCurrentMemberAssignmentValue {
        member_epoch: i32, 0+;
        previous_member_epoch: i32, 0+;
        state: i8, 0+;
        active_tasks: Vec<StreamsGroupCurrentMemberAssignmentValueTaskIds>, 0+;
        standby_tasks: Vec<StreamsGroupCurrentMemberAssignmentValueTaskIds>, 0+;
        warmup_tasks: Vec<StreamsGroupCurrentMemberAssignmentValueTaskIds>, 0+;
        active_tasks_pending_revocation: Vec<StreamsGroupCurrentMemberAssignmentValueTaskIds>, 0+;
        standby_tasks_pending_revocation: Vec<StreamsGroupCurrentMemberAssignmentValueTaskIds>, 0+;
        warmup_tasks_pending_revocation: Vec<StreamsGroupCurrentMemberAssignmentValueTaskIds>, 0+;
    }

    struct StreamsGroupCurrentMemberAssignmentValueTaskIds {
        subtopology_id: String, 0+;
        partitions: Vec<i32>, 0+;
    } tagged {
        0: assignment_epochs: Option<Vec<i32>>, 0+, nullable 0+, default Some(Default::default());
    }
}

messages! {
    data StreamsGroupMemberMetadataKey, versions 0-0;

    struct StreamsGroupMemberMetadataKey {
        group_id: String, 0-0;
        member_id: String, 0-0;
    }
}

messages! {
    data StreamsGroupMemberMetadataValue, versions 0-0, flexible 0+;

    struct StreamsGroupMemberMetadataValue {
        instance_id: Option<String>, 0+, nullable 0+;
        rack_id: Option<String>, 0+, nullable 0+;
        client_id: String, 0+;
        client_host: String, 0+;
        rebalance_timeout_ms: i32, 0+, default -1;
        topology_epoch: i32, 0+;
        process_id: String, 0+;
        user_endpoint: Option<Endpoint>, 0+, nullable 0+;
        client_tags: Vec<KeyValue>, 0+;
    }

    struct Endpoint {
        host: String, 0+;
        port: u16, 0+;
    }

    struct KeyValue {
        key: String, 0+;
        value: String, 0+;
    }
}

messages! {
    data StreamsGroupMetadataKey, versions 0-0;

    struct StreamsGroupMetadataKey {
        group_id: String, 0-0;
    }
}

messages! {
    data StreamsGroupMetadataValue, versions 0-0, flexible 0+;

    struct StreamsGroupMetadataValue {
        epoch: i32, 0+;
        metadata_hash: i64, 0+;
    } tagged {
        0: validated_topology_epoch: i32, 0+, default -1;
        1: last_assignment_configs: Option<Vec<LastAssignmentConfig>>, 0+, nullable 0+, default Some(Default::default());
        2: stored_description_topology_epoch: i32, 0+, default -1;
        3: failed_description_topology_epoch: i32, 0+, default -1;
    }

    struct LastAssignmentConfig {
        key: String, 0+;
        value: String, 0+;
    }
}

messages! {
    data StreamsGroupTargetAssignmentMemberKey, versions 0-0;

    struct StreamsGroupTargetAssignmentMemberKey {
        group_id: String, 0-0;
        member_id: String, 0-0;
    }
}

messages! {
    data StreamsGroupTargetAssignmentMemberValue, versions 0-0, flexible 0+;

    struct StreamsGroupTargetAssignmentMemberValue {
        active_tasks: Vec<StreamsGroupTargetAssignmentMemberValueTaskIds>, 0+;
        standby_tasks: Vec<StreamsGroupTargetAssignmentMemberValueTaskIds>, 0+;
        warmup_tasks: Vec<StreamsGroupTargetAssignmentMemberValueTaskIds>, 0+;
    }

    struct StreamsGroupTargetAssignmentMemberValueTaskIds {
        subtopology_id: String, 0+;
        partitions: Vec<i32>, 0+;
    }
}

messages! {
    data StreamsGroupTargetAssignmentMetadataKey, versions 0-0;

    struct StreamsGroupTargetAssignmentMetadataKey {
        group_id: String, 0-0;
    }
}

messages! {
    data StreamsGroupTargetAssignmentMetadataValue, versions 0-0, flexible 0+;

    struct StreamsGroupTargetAssignmentMetadataValue {
        assignment_epoch: i32, 0+;
    } tagged {
        0: assignment_timestamp: i64, 0+;
    }
}

messages! {
    data StreamsGroupTopologyKey, versions 0-0;

    struct StreamsGroupTopologyKey {
        group_id: String, 0-0;
    }
}

messages! {
    data StreamsGroupTopologyValue, versions 0-0, flexible 0+;

    struct StreamsGroupTopologyValue {
        epoch: i32, 0+;
        subtopologies: Vec<Subtopology>, 0+;
    }

    struct Subtopology {
        subtopology_id: String, 0+;
        source_topics: Vec<String>, 0+;
        source_topic_regex: Vec<String>, 0+;
        state_changelog_topics: Vec<TopicInfo>, 0+;
        repartition_sink_topics: Vec<String>, 0+;
        repartition_source_topics: Vec<TopicInfo>, 0+;
        copartition_groups: Vec<CopartitionGroup>, 0+;
    }

    struct TopicInfo {
        name: String, 0+;
        partitions: i32, 0+;
        replication_factor: i16, 0+;
        topic_configs: Vec<TopicConfig>, 0+;
    }

    struct TopicConfig {
        key: String, 0+;
        value: String, 0+;
    }

    struct CopartitionGroup {
        source_topics: Vec<i16>, 0+;
        source_topic_regex: Vec<i16>, 0+;
        repartition_source_topics: Vec<i16>, 0+;
    }
}
