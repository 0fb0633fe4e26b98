//! RenewDelegationToken (key 39): makes a delegation token last longer.

use bytes::Bytes;

use crate::wire::codec::messages;

messages! {
    api RenewDelegationToken(RenewDelegationTokenRequest, RenewDelegationTokenResponse), versions 1-2, flexible 2+;

    struct RenewDelegationTokenRequest {
        hmac: Bytes, 0+;
        renew_period_ms: i64, 0+;
    }

    struct RenewDelegationTokenResponse {
        error_code: i16, 0+;
        expiry_timestamp_ms: i64, 0+;
        throttle_time_ms: i32, 0+;
    }
}
