//! SaslAuthenticate (key 36): carries the bytes of a SASL exchange.

use bytes::Bytes;

use crate::wire::codec::messages;

messages! {
    api SaslAuthenticate(SaslAuthenticateRequest, SaslAuthenticateResponse), versions 0-2, flexible 2+;

    struct SaslAuthenticateRequest {
        auth_bytes: Bytes, 0+;
    }

    struct SaslAuthenticateResponse {
        error_code: i16, 0+;
        error_message: Option<String>, 0+, nullable 0+;
        auth_bytes: Bytes, 0+;
        session_lifetime_ms: i64, 1+;
    }
}
