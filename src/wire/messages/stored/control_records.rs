//! Keys and values of control records: the ends of transactions.

use crate::wire::codec::messages;

messages! {
    data ControlRecordTypeSchema, versions 0-0;

    struct ControlRecordTypeSchema {
        r#type: i16, 0+;
    }
}

messages! {
    data EndTxnMarker, versions 0-0;

    struct EndTxnMarker {
        coordinator_epoch: i32, 0+;
    }
}
