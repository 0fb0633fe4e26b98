//! GetTelemetrySubscriptions (key 71): tells a client which metrics to push (KIP-714).

use crate::base::ids::TopicId;
use crate::wire::codec::messages;

messages! {
    api GetTelemetrySubscriptions(GetTelemetrySubscriptionsRequest, GetTelemetrySubscriptionsResponse), versions 0-0, flexible 0+;

    struct GetTelemetrySubscriptionsRequest {
        client_instance_id: TopicId, 0+;
    }

    struct GetTelemetrySubscriptionsResponse {
        throttle_time_ms: i32, 0+;
        error_code: i16, 0+;
        client_instance_id: TopicId, 0+;
        subscription_id: i32, 0+;
        accepted_compression_types: Vec<i8>, 0+;
        push_interval_ms: i32, 0+;
        telemetry_max_bytes: i32, 0+;
        delta_temporality: bool, 0+;
        requested_metrics: Vec<String>, 0+;
    }
}
