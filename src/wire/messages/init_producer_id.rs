//! InitProducerId (key 22): gives a producer its id and epoch.

use crate::wire::codec::messages;

messages! {
    api InitProducerId(InitProducerIdRequest, InitProducerIdResponse), versions 0-6, flexible 2+;

    struct InitProducerIdRequest {
        transactional_id: Option<String>, 0+, nullable 0+;
        transaction_timeout_ms: i32, 0+;
        producer_id: i64, 3+, default -1, or refuse;
        producer_epoch: i16, 3+, default -1, or refuse;
        enable2_pc: bool, 6+, or refuse;
        keep_prepared_txn: bool, 6+, or refuse;
    }

    struct InitProducerIdResponse {
        throttle_time_ms: i32, 0+;
        error_code: i16, 0+;
        producer_id: i64, 0+, default -1;
        producer_epoch: i16, 0+;
        ongoing_txn_producer_id: i64, 6+, default -1;
        ongoing_txn_producer_epoch: i16, 6+, default -1;
    }
}
