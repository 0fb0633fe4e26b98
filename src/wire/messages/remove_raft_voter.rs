//! RemoveRaftVoter (key 81): removes a voter from the metadata quorum (KIP-853).

use crate::base::ids::TopicId;
use crate::wire::codec::messages;

messages! {
    api RemoveRaftVoter(RemoveRaftVoterRequest, RemoveRaftVoterResponse), versions 0-0, flexible 0+;

    struct RemoveRaftVoterRequest {
        cluster_id: Option<String>, 0+, nullable 0+;
        voter_id: i32, 0+;
        voter_directory_id: TopicId, 0+;
    }

    struct RemoveRaftVoterResponse {
        throttle_time_ms: i32, 0+;
        error_code: i16, 0+;
        error_message: Option<String>, 0+, nullable 0+;
    }
}
