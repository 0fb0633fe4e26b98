//! UnregisterBroker (key 64): takes a node that is gone off the cluster.

use crate::wire::codec::messages;

messages! {
    api UnregisterBroker(UnregisterBrokerRequest, UnregisterBrokerResponse), versions 0-0, flexible 0+;

    struct UnregisterBrokerRequest {
        broker_id: i32, 0+;
    }

    struct UnregisterBrokerResponse {
        throttle_time_ms: i32, 0+;
        error_code: i16, 0+;
        error_message: Option<String>, 0+, nullable 0+;
    }
}
