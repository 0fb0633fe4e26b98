//! UnregisterController (key 94): takes a controller that is gone off the cluster.

use crate::wire::codec::messages;

messages! {
    api UnregisterController(UnregisterControllerRequest, UnregisterControllerResponse), versions 0-0, flexible 0+;

    struct UnregisterControllerRequest {
        controller_id: i32, 0+;
    }

    struct UnregisterControllerResponse {
        throttle_time_ms: i32, 0+;
        error_code: i16, 0+;
        error_message: Option<String>, 0+, nullable 0+;
    }
}
