//! SaslHandshake (key 17): agrees on the SASL mechanism of a connection.

use crate::wire::codec::messages;

messages! {
    api SaslHandshake(SaslHandshakeRequest, SaslHandshakeResponse), versions 0-1;

    struct SaslHandshakeRequest {
        mechanism: String, 0+;
    }

    struct SaslHandshakeResponse {
        error_code: i16, 0+;
        mechanisms: Vec<String>, 0+;
    }
}
