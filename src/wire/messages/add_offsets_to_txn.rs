//! AddOffsetsToTxn (key 25): puts a group's offsets under a transaction.

use crate::wire::codec::messages;

messages! {
    api AddOffsetsToTxn(AddOffsetsToTxnRequest, AddOffsetsToTxnResponse), versions 0-4, flexible 3+;

    struct AddOffsetsToTxnRequest {
        transactional_id: String, 0+;
        producer_id: i64, 0+;
        producer_epoch: i16, 0+;
        group_id: String, 0+;
    }

    struct AddOffsetsToTxnResponse {
        throttle_time_ms: i32, 0+;
        error_code: i16, 0+;
    }
}
