//! `__transaction_state`: one record per change of a transaction.

use crate::wire::codec::messages;

messages! {
    data TransactionLogKey, versions 0-0;

    struct TransactionLogKey {
        transactional_id: String, 0-0;
    }
}

messages! {
    data TransactionLogValue, versions 0-1, flexible 1+;

    struct TransactionLogValue {
        producer_id: i64, 0+;
        producer_epoch: i16, 0+;
        transaction_timeout_ms: i32, 0+;
        transaction_status: i8, 0+;
        transaction_partitions: Option<Vec<PartitionsSchema>>, 0+, nullable 0+;
        transaction_last_update_timestamp_ms: i64, 0+;
        transaction_start_timestamp_ms: i64, 0+;
    } tagged {
        0: previous_producer_id: i64, 1+, default -1, or refuse;
        1: next_producer_id: i64, 1+, default -1, or refuse;
        2: client_transaction_version: i16, 1+, or refuse;
        3: next_producer_epoch: i16, 1+, default -1, or refuse;
    }

    struct PartitionsSchema {
        topic: String, 0+;
        partition_ids: Vec<i32>, 0+;
    }
}
