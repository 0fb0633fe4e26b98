use corelane::wire::errors::ErrorCode;
use corelane::wire::messages::ProduceRequest;
use corelane::wire::messages::produce::{PartitionProduceData, TopicProduceData};
use corelane::wire::records::{BatchBuilder, Compression};

use crate::server::Server;
use crate::steps::{create_topic, error, eventually, leader, new_topic_with};

/// One record for a partition.
pub fn produce_request(topic: &str, index: i32, acks: i16) -> ProduceRequest {
    let mut builder = BatchBuilder::new(Compression::None);
    builder.append(1_700_000_000_000, None, Some(b"value"), &[]);
    let records = Some(builder.build().expect("a batch").freeze());
    ProduceRequest {
        acks,
        timeout_ms: 30_000,
        topic_data: vec![TopicProduceData {
            name: topic.to_string(),
            partition_data: vec![PartitionProduceData { index, records }],
            ..TopicProduceData::default()
        }],
        ..ProduceRequest::default()
    }
}

/// More replicas than a partition has can't be asked for: Kafka takes the lesser of the two numbers.
#[test]
fn min_insync_replicas_asks_for_no_more_than_there_are() {
    let server = Server::start();
    let name = server.topic("insync");
    create_topic(&server, new_topic_with(&name, 1, &[("min.insync.replicas", "3")]));
    let mut client = leader(&server, &name, 0);
    for acks in [1, -1] {
        let request = produce_request(&name, 0, acks);
        let mut code = ErrorCode::None;
        eventually(&server, || {
            let answer = client.call(&request, 9);
            code = error(answer.responses[0].partition_responses[0].error_code);
            code != ErrorCode::UnknownTopicOrPartition
        });
        assert_eq!(code, ErrorCode::None, "acks {acks}");
    }
}
