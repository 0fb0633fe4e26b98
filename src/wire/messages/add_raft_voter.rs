//! AddRaftVoter (key 80): adds a voter to the metadata quorum (KIP-853).

use crate::base::ids::TopicId;
use crate::wire::codec::messages;

messages! {
    api AddRaftVoter(AddRaftVoterRequest, AddRaftVoterResponse), versions 0-1, flexible 0+;

    struct AddRaftVoterRequest {
        cluster_id: Option<String>, 0+, nullable 0+;
        timeout_ms: i32, 0+;
        voter_id: i32, 0+;
        voter_directory_id: TopicId, 0+;
        listeners: Vec<Listener>, 0+;
        ack_when_committed: bool, 1+, default true, or refuse;
    }

    struct Listener {
        name: String, 0+;
        host: String, 0+;
        port: u16, 0+;
    }

    struct AddRaftVoterResponse {
        throttle_time_ms: i32, 0+;
        error_code: i16, 0+;
        error_message: Option<String>, 0+, nullable 0+;
    }
}
