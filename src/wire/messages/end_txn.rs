//! EndTxn (key 26): commits or aborts a transaction.

use crate::wire::codec::messages;

messages! {
    api EndTxn(EndTxnRequest, EndTxnResponse), versions 0-5, flexible 3+;

    struct EndTxnRequest {
        transactional_id: String, 0+;
        producer_id: i64, 0+;
        producer_epoch: i16, 0+;
        committed: bool, 0+;
    }

    struct EndTxnResponse {
        throttle_time_ms: i32, 0+;
        error_code: i16, 0+;
        producer_id: i64, 5+, default -1;
        producer_epoch: i16, 5+, default -1;
    }
}
