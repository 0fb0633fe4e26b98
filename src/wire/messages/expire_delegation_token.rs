//! ExpireDelegationToken (key 40): makes a delegation token end.

use bytes::Bytes;

use crate::wire::codec::messages;

messages! {
    api ExpireDelegationToken(ExpireDelegationTokenRequest, ExpireDelegationTokenResponse), versions 1-2, flexible 2+;

    struct ExpireDelegationTokenRequest {
        hmac: Bytes, 0+;
        expiry_time_period_ms: i64, 0+;
    }

    struct ExpireDelegationTokenResponse {
        error_code: i16, 0+;
        expiry_timestamp_ms: i64, 0+;
        throttle_time_ms: i32, 0+;
    }
}
