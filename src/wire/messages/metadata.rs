//! Metadata (key 3): tells which topics and partitions there are, and which node leads each.

use crate::base::ids::TopicId;
use crate::wire::codec::messages;

messages! {
    api Metadata(MetadataRequest, MetadataResponse), versions 0-13, flexible 9+;

    struct MetadataRequest {
        topics: Option<Vec<MetadataRequestTopic>>, 0+, nullable 1+;
        allow_auto_topic_creation: bool, 4+, default true, or refuse;
        include_cluster_authorized_operations: bool, 8-10, or refuse;
        include_topic_authorized_operations: bool, 8+, or refuse;
    }

    struct MetadataRequestTopic {
        topic_id: TopicId, 10+;
        name: Option<String>, 0+, nullable 10+;
    }

    struct MetadataResponse {
        throttle_time_ms: i32, 3+;
        brokers: Vec<MetadataResponseBroker>, 0+;
        cluster_id: Option<String>, 2+, nullable 2+;
        controller_id: i32, 1+, default -1;
        topics: Vec<MetadataResponseTopic>, 0+;
        cluster_authorized_operations: i32, 8-10, default i32::MIN;
        error_code: i16, 13+;
    }

    struct MetadataResponseBroker {
        node_id: i32, 0+;
        host: String, 0+;
        port: i32, 0+;
        rack: Option<String>, 1+, nullable 1+;
    }

    struct MetadataResponseTopic {
        error_code: i16, 0+;
        name: Option<String>, 0+, nullable 12+;
        topic_id: TopicId, 10+;
        is_internal: bool, 1+;
        partitions: Vec<MetadataResponsePartition>, 0+;
        topic_authorized_operations: i32, 8+, default i32::MIN;
    }

    struct MetadataResponsePartition {
        error_code: i16, 0+;
        partition_index: i32, 0+;
        leader_id: i32, 0+;
        leader_epoch: i32, 7+, default -1;
        replica_nodes: Vec<i32>, 0+;
        isr_nodes: Vec<i32>, 0+;
        offline_replicas: Vec<i32>, 5+;
    }
}
