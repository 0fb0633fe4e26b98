//! DescribeCluster (key 60): tells the cluster's id, controller and nodes.

use crate::wire::codec::messages;

messages! {
    api DescribeCluster(DescribeClusterRequest, DescribeClusterResponse), versions 0-2, flexible 0+;

    struct DescribeClusterRequest {
        include_cluster_authorized_operations: bool, 0+;
        endpoint_type: i8, 1+, default 1, or refuse;
        include_fenced_brokers: bool, 2+, or refuse;
    }

    struct DescribeClusterResponse {
        throttle_time_ms: i32, 0+;
        error_code: i16, 0+;
        error_message: Option<String>, 0+, nullable 0+;
        endpoint_type: i8, 1+, default 1;
        cluster_id: String, 0+;
        controller_id: i32, 0+, default -1;
        brokers: Vec<DescribeClusterBroker>, 0+;
        cluster_authorized_operations: i32, 0+, default i32::MIN;
    }

    struct DescribeClusterBroker {
        broker_id: i32, 0+;
        host: String, 0+;
        port: i32, 0+;
        rack: Option<String>, 0+, nullable 0+;
        is_fenced: bool, 2+;
    }
}
