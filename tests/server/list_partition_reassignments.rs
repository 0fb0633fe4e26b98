use corelane::wire::messages::ListPartitionReassignmentsRequest;
use corelane::wire::messages::list_partition_reassignments::ListPartitionReassignmentsTopics;

use crate::server::Server;
use crate::steps::{create_topic, new_topic};

#[test]
fn nothing_is_ever_under_way() {
    let server = Server::start();
    let mut client = server.client();
    let name = server.topic("still");
    create_topic(&server, new_topic(&name, 2));
    let asked = |name: &str| ListPartitionReassignmentsTopics {
        name: name.to_string(),
        partition_indexes: vec![0, 1, 99],
    };
    for topics in [None, Some(vec![asked(&name)]), Some(vec![asked("not-there")])] {
        let request = ListPartitionReassignmentsRequest {
            timeout_ms: 30_000,
            topics,
        };
        let answer = client.call(&request, 0);
        assert_eq!((answer.error_code, answer.error_message), (0, None));
        assert!(answer.topics.is_empty());
    }
}
