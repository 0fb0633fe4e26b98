//! FindCoordinator (key 10): asks which node coordinates a group, a transactional id or a share partition.

use crate::wire::codec::messages;

messages! {
    api FindCoordinator(FindCoordinatorRequest, FindCoordinatorResponse), versions 0-6, flexible 3+;

    struct FindCoordinatorRequest {
        key: String, 0-3, or refuse;
        key_type: i8, 1+, or refuse;
        coordinator_keys: Vec<String>, 4+, or refuse;
    }

    struct FindCoordinatorResponse {
        throttle_time_ms: i32, 1+;
        error_code: i16, 0-3;
        error_message: Option<String>, 1-3, nullable 1-3;
        node_id: i32, 0-3;
        host: String, 0-3;
        port: i32, 0-3;
        coordinators: Vec<Coordinator>, 4+;
    }

    struct Coordinator {
        key: String, 4+;
        node_id: i32, 4+;
        host: String, 4+;
        port: i32, 4+;
        error_code: i16, 4+;
        error_message: Option<String>, 4+, nullable 4+;
    }
}
