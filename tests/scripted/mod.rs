//! A broker that answers Produce and Fetch as a test has written down, one reply after the other, and everything else
//! as if all were well: one node, one topic of one partition.

use std::collections::VecDeque;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use corelane::wire::api::ApiKey;
use corelane::wire::codec::{Message, Reader, Response};
use corelane::wire::errors::ErrorCode;
use corelane::wire::frame::response_frame;
use corelane::wire::header::RequestHeaderView;
use corelane::wire::messages::api_versions::{ApiVersion, ApiVersionsResponse};
use corelane::wire::messages::fetch::{FetchRequest, FetchResponse, FetchableTopicResponse, PartitionData};
use corelane::wire::messages::init_producer_id::InitProducerIdResponse;
use corelane::wire::messages::list_offsets::{
    ListOffsetsPartitionResponse, ListOffsetsResponse, ListOffsetsTopicResponse,
};
use corelane::wire::messages::metadata::{
    MetadataResponse, MetadataResponseBroker, MetadataResponsePartition, MetadataResponseTopic,
};
use corelane::wire::messages::produce::{
    PartitionProduceResponse, ProduceRequest, ProduceResponse, TopicProduceResponse,
};

/// The id every producer gets.
pub const PRODUCER_ID: i64 = 4711;

const TOPIC: &str = "t";
const END_OFFSET: i64 = 5;

/// How a Produce or a Fetch is answered.
#[derive(Clone, Debug)]
pub enum Reply {
    /// With this code for the partition.
    Code(ErrorCode),
    /// With these bytes as the partition's records.
    Records(Vec<u8>),
    /// Not at all: the connection is cut.
    Cut,
}

/// A broker that runs until the test's process ends.
pub struct ScriptedBroker {
    address: String,
    state: Arc<State>,
}

struct State {
    port: u16,
    replies: Mutex<VecDeque<Reply>>,
    produced: Mutex<Vec<Vec<u8>>>,
}

impl ScriptedBroker {
    pub fn start(replies: Vec<Reply>) -> ScriptedBroker {
        let listener = TcpListener::bind("127.0.0.1:0").expect("bind");
        let local = listener.local_addr().expect("bound");
        let state = Arc::new(State {
            port: local.port(),
            replies: Mutex::new(replies.into()),
            produced: Mutex::default(),
        });
        let shared = state.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let (stream, state) = (stream.expect("accept"), shared.clone());
                std::thread::spawn(move || serve(stream, &state));
            }
        });
        ScriptedBroker {
            address: local.to_string(),
            state,
        }
    }

    pub fn address(&self) -> &str {
        &self.address
    }

    /// The record batches that have arrived, answered or not.
    pub fn produced(&self) -> Vec<Vec<u8>> {
        self.state.produced.lock().unwrap().clone()
    }
}

/// Answers until the client closes the connection or it is to be cut.
fn serve(mut stream: TcpStream, state: &State) {
    let mut size = [0; 4];
    while stream.read_exact(&mut size).is_ok() {
        let mut frame = vec![0; u32::from_be_bytes(size) as usize];
        stream.read_exact(&mut frame).expect("a whole request");
        let Some(answer) = answer(&Bytes::from(frame), state) else {
            return;
        };
        // A client that has seen enough may be gone.
        if stream.write_all(&answer).is_err() {
            return;
        }
    }
}

fn answer(frame: &Bytes, state: &State) -> Option<Vec<u8>> {
    let mut r = Reader::new(frame);
    let header = RequestHeaderView::read(&mut r).expect("a header");
    let (version, id) = (header.api_version, header.correlation_id);
    match header.known_api().expect("an API we have advertised") {
        ApiKey::ApiVersions => framed(&api_versions(), version, id),
        ApiKey::Metadata => framed(&metadata(state.port), version, id),
        ApiKey::InitProducerId => {
            let response = InitProducerIdResponse {
                producer_id: PRODUCER_ID,
                ..Default::default()
            };
            framed(&response, version, id)
        }
        ApiKey::ListOffsets => framed(&list_offsets(), version, id),
        ApiKey::Produce => {
            let request = ProduceRequest::decode(&mut r, version).expect("a Produce request");
            let partition = &request.topic_data[0].partition_data[0];
            state
                .produced
                .lock()
                .unwrap()
                .push(partition.records.as_deref().unwrap().to_vec());
            let response = match next_reply(state) {
                Reply::Code(code) => produced(partition.index, code),
                Reply::Records(_) => panic!("records are no answer to a Produce"),
                Reply::Cut => return None,
            };
            framed(&response, version, id)
        }
        ApiKey::Fetch => {
            let request = FetchRequest::decode(&mut r, version).expect("a Fetch request");
            let response = match next_reply(state) {
                Reply::Code(code) => fetched(&request, code, Vec::new()),
                Reply::Records(records) => fetched(&request, ErrorCode::None, records),
                Reply::Cut => return None,
            };
            framed(&response, version, id)
        }
        other => panic!("{other} was not advertised"),
    }
}

/// The next reply of the script; when it is over, that there is nothing new.
fn next_reply(state: &State) -> Reply {
    let next = state.replies.lock().unwrap().pop_front();
    next.unwrap_or_else(|| {
        std::thread::sleep(std::time::Duration::from_millis(20));
        Reply::Records(Vec::new())
    })
}

fn framed<R: Response>(response: &R, version: i16, correlation_id: i32) -> Option<Vec<u8>> {
    Some(
        response_frame(response, version, correlation_id)
            .expect("a response")
            .to_vec(),
    )
}

fn api_versions() -> ApiVersionsResponse {
    let apis = [
        ApiKey::ApiVersions,
        ApiKey::Metadata,
        ApiKey::InitProducerId,
        ApiKey::ListOffsets,
        ApiKey::Produce,
        ApiKey::Fetch,
    ];
    let api_keys = apis.map(|api| ApiVersion {
        api_key: api.key(),
        min_version: api.versions().first,
        max_version: api.last_stable_version(),
    });
    ApiVersionsResponse {
        api_keys: api_keys.to_vec(),
        ..Default::default()
    }
}

fn metadata(port: u16) -> MetadataResponse {
    let partition = MetadataResponsePartition {
        leader_id: 0,
        replica_nodes: vec![0],
        isr_nodes: vec![0],
        ..Default::default()
    };
    MetadataResponse {
        brokers: vec![MetadataResponseBroker {
            node_id: 0,
            host: "127.0.0.1".to_owned(),
            port: i32::from(port),
            rack: None,
        }],
        controller_id: 0,
        topics: vec![MetadataResponseTopic {
            name: Some(TOPIC.to_owned()),
            partitions: vec![partition],
            ..Default::default()
        }],
        ..Default::default()
    }
}

/// The same answer to both questions is enough: the client clamps to it.
fn list_offsets() -> ListOffsetsResponse {
    let partition = ListOffsetsPartitionResponse {
        offset: 0,
        ..Default::default()
    };
    ListOffsetsResponse {
        topics: vec![ListOffsetsTopicResponse {
            name: TOPIC.to_owned(),
            partitions: vec![partition],
        }],
        ..Default::default()
    }
}

fn produced(index: i32, code: ErrorCode) -> ProduceResponse {
    let partition = PartitionProduceResponse {
        index,
        error_code: code.code(),
        ..Default::default()
    };
    ProduceResponse {
        responses: vec![TopicProduceResponse {
            partition_responses: vec![partition],
            ..Default::default()
        }],
        ..Default::default()
    }
}

fn fetched(request: &FetchRequest, code: ErrorCode, records: Vec<u8>) -> FetchResponse {
    let asked = &request.topics[0];
    let partition = PartitionData {
        partition_index: asked.partitions[0].partition,
        error_code: code.code(),
        high_watermark: END_OFFSET,
        records: Some(Bytes::from(records)),
        ..Default::default()
    };
    FetchResponse {
        responses: vec![FetchableTopicResponse {
            topic: asked.topic.clone(),
            topic_id: asked.topic_id,
            partitions: vec![partition],
        }],
        ..Default::default()
    }
}
