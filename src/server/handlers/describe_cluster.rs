//! DescribeCluster (key 60), versions 0 to 2: the nodes, without topics.
//!
//! - v0: cluster id, controller, nodes, and the operations the client may do if it asks (all, without authorizer).
//! - v1 (KIP-919): the client says whether it means brokers or controllers. There is no controller's endpoint to answer for:
//!   MISMATCHED_ENDPOINT_TYPE; types that are neither are UNSUPPORTED_ENDPOINT_TYPE.
//! - v2 (KIP-1073): fenced nodes on request. There are none: a shard that can't serve ends its server.

use crate::server::context::{Endpoint, RequestContext};
use crate::server::handlers::{authorized_operations, nodes};
use crate::wire::errors::ErrorCode;
use crate::wire::messages::describe_cluster::DescribeClusterBroker;
use crate::wire::messages::{DescribeClusterRequest, DescribeClusterResponse};

const BROKERS: i8 = 1;
const CONTROLLERS: i8 = 2;

/// Answers with the nodes.
pub async fn handle(cx: &RequestContext, request: DescribeClusterRequest) -> DescribeClusterResponse {
    match request.endpoint_type {
        BROKERS => {}
        CONTROLLERS => {
            let message = "This is a broker's endpoint, and a controller's was asked for.".to_string();
            return refused(ErrorCode::MismatchedEndpointType, message);
        }
        other => return refused(ErrorCode::UnsupportedEndpointType, format!("There is no endpoint type {other}.")),
    }
    let image = cx.shard().image();
    let broker = |endpoint: Endpoint| DescribeClusterBroker {
        broker_id: endpoint.node.0,
        host: endpoint.host,
        port: i32::from(endpoint.port),
        rack: endpoint.rack,
        is_fenced: false,
    };
    DescribeClusterResponse {
        cluster_id: image.cluster_id().to_string(),
        controller_id: nodes::controller(&image).0,
        brokers: nodes::endpoints(cx, &image).into_iter().map(broker).collect(),
        cluster_authorized_operations: if request.include_cluster_authorized_operations {
            authorized_operations::ON_CLUSTER
        } else {
            authorized_operations::NOT_ASKED
        },
        ..DescribeClusterResponse::default()
    }
}

fn refused(error: ErrorCode, message: String) -> DescribeClusterResponse {
    DescribeClusterResponse {
        error_code: error.code(),
        error_message: Some(message),
        ..DescribeClusterResponse::default()
    }
}
