//! PushTelemetry (key 72): pushes a client's metrics (KIP-714).

use bytes::Bytes;

use crate::base::ids::TopicId;
use crate::wire::codec::messages;

messages! {
    api PushTelemetry(PushTelemetryRequest, PushTelemetryResponse), versions 0-0, flexible 0+;

    struct PushTelemetryRequest {
        client_instance_id: TopicId, 0+;
        subscription_id: i32, 0+;
        terminating: bool, 0+;
        compression_type: i8, 0+;
        metrics: Bytes, 0+;
    }

    struct PushTelemetryResponse {
        throttle_time_ms: i32, 0+;
        error_code: i16, 0+;
    }
}
