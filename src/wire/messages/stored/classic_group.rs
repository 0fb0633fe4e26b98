//! `__consumer_offsets`: the generation of a classic group. A two-byte version stands in front of key and value;
//! a key's version names the type of the record: 2.

use bytes::Bytes;

use crate::wire::codec::messages;

messages! {
    data GroupMetadataKey, versions 0-0;

    struct GroupMetadataKey {
        group: String, 0-0;
    }
}

messages! {
    data GroupMetadataValue, versions 0-4, flexible 4+;

    struct GroupMetadataValue {
        protocol_type: String, 0+;
        generation: i32, 0+;
        protocol: Option<String>, 0+, nullable 0+;
        leader: Option<String>, 0+, nullable 0+;
        current_state_timestamp: i64, 2+, default -1;
        members: Vec<MemberMetadata>, 0+;
    }

    struct MemberMetadata {
        member_id: String, 0+;
        group_instance_id: Option<String>, 3+, nullable 3+;
        client_id: String, 0+;
        client_host: String, 0+;
        rebalance_timeout: i32, 1+, default -1;
        session_timeout: i32, 0+;
        subscription: Bytes, 0+;
        assignment: Bytes, 0+;
    }
}
