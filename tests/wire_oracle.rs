//! Every message against the `kafka-protocol` crate: what one side writes the other reads, and writes the same.

mod wire_values;

use bytes::{Buf, Bytes, BytesMut};
use kafka_protocol::protocol::{Decodable, Encodable, Message as OracleMessage};
use std::collections::BTreeMap;
use wire_values::{Codec, Random, UnknownTags, codecs};

/// A message written again, and the number of bytes left unread.
type Recoded = (Bytes, usize);

/// The other side of one message.
struct Oracle {
    first: i16,
    last: i16,
    /// Reads a message, and writes it again; the bytes left unread as well.
    recode: fn(&Bytes, i16) -> Result<Recoded, String>,
    /// What it writes for a message nobody has filled.
    default: fn(i16) -> Result<Bytes, String>,
}

impl Oracle {
    fn of<M: OracleMessage + Decodable + Encodable + Default>() -> Oracle {
        fn encode<M: Encodable>(message: &M, version: i16) -> Result<Bytes, String> {
            let mut out = BytesMut::new();
            message.encode(&mut out, version).map_err(|e| e.to_string())?;
            Ok(out.freeze())
        }
        Oracle {
            first: M::VERSIONS.min,
            last: M::VERSIONS.max,
            recode: |frame, version| {
                let mut bytes = frame.clone();
                let message = M::decode(&mut bytes, version).map_err(|e| e.to_string())?;
                Ok((encode(&message, version)?, bytes.remaining()))
            },
            default: |version| encode(&M::default(), version),
        }
    }
}

macro_rules! oracles {
    ($($name:ident)*) => {
        fn oracles() -> BTreeMap<&'static str, Oracle> {
            BTreeMap::from([$(
                (stringify!($name), Oracle::of::<kafka_protocol::messages::$name>()),
            )*])
        }
    };
}

oracles! {
    ProduceRequest ProduceResponse FetchRequest FetchResponse ListOffsetsRequest ListOffsetsResponse
    MetadataRequest MetadataResponse OffsetCommitRequest OffsetCommitResponse OffsetFetchRequest
    OffsetFetchResponse FindCoordinatorRequest FindCoordinatorResponse JoinGroupRequest JoinGroupResponse
    HeartbeatRequest HeartbeatResponse LeaveGroupRequest LeaveGroupResponse SyncGroupRequest
    SyncGroupResponse DescribeGroupsRequest DescribeGroupsResponse ListGroupsRequest ListGroupsResponse
    SaslHandshakeRequest SaslHandshakeResponse ApiVersionsRequest ApiVersionsResponse CreateTopicsRequest
    CreateTopicsResponse DeleteTopicsRequest DeleteTopicsResponse DeleteRecordsRequest DeleteRecordsResponse
    InitProducerIdRequest InitProducerIdResponse OffsetForLeaderEpochRequest OffsetForLeaderEpochResponse
    AddPartitionsToTxnRequest AddPartitionsToTxnResponse AddOffsetsToTxnRequest AddOffsetsToTxnResponse
    EndTxnRequest EndTxnResponse WriteTxnMarkersRequest WriteTxnMarkersResponse TxnOffsetCommitRequest
    TxnOffsetCommitResponse DescribeAclsRequest DescribeAclsResponse CreateAclsRequest CreateAclsResponse
    DeleteAclsRequest DeleteAclsResponse DescribeConfigsRequest DescribeConfigsResponse AlterConfigsRequest
    AlterConfigsResponse AlterReplicaLogDirsRequest AlterReplicaLogDirsResponse DescribeLogDirsRequest
    DescribeLogDirsResponse SaslAuthenticateRequest SaslAuthenticateResponse CreatePartitionsRequest
    CreatePartitionsResponse CreateDelegationTokenRequest CreateDelegationTokenResponse
    RenewDelegationTokenRequest RenewDelegationTokenResponse ExpireDelegationTokenRequest
    ExpireDelegationTokenResponse DescribeDelegationTokenRequest DescribeDelegationTokenResponse
    DeleteGroupsRequest DeleteGroupsResponse ElectLeadersRequest ElectLeadersResponse
    IncrementalAlterConfigsRequest IncrementalAlterConfigsResponse AlterPartitionReassignmentsRequest
    AlterPartitionReassignmentsResponse ListPartitionReassignmentsRequest ListPartitionReassignmentsResponse
    OffsetDeleteRequest OffsetDeleteResponse DescribeClientQuotasRequest DescribeClientQuotasResponse
    AlterClientQuotasRequest AlterClientQuotasResponse DescribeUserScramCredentialsRequest
    DescribeUserScramCredentialsResponse AlterUserScramCredentialsRequest AlterUserScramCredentialsResponse
    DescribeQuorumRequest DescribeQuorumResponse UpdateFeaturesRequest UpdateFeaturesResponse
    DescribeClusterRequest DescribeClusterResponse DescribeProducersRequest DescribeProducersResponse
    UnregisterBrokerRequest UnregisterBrokerResponse DescribeTransactionsRequest
    DescribeTransactionsResponse ListTransactionsRequest ListTransactionsResponse
    ConsumerGroupHeartbeatRequest ConsumerGroupHeartbeatResponse ConsumerGroupDescribeRequest
    ConsumerGroupDescribeResponse GetTelemetrySubscriptionsRequest GetTelemetrySubscriptionsResponse
    PushTelemetryRequest PushTelemetryResponse ListConfigResourcesRequest ListConfigResourcesResponse
    DescribeTopicPartitionsRequest DescribeTopicPartitionsResponse ShareGroupHeartbeatRequest
    ShareGroupHeartbeatResponse ShareGroupDescribeRequest ShareGroupDescribeResponse ShareFetchRequest
    ShareFetchResponse ShareAcknowledgeRequest ShareAcknowledgeResponse AddRaftVoterRequest
    AddRaftVoterResponse RemoveRaftVoterRequest RemoveRaftVoterResponse InitializeShareGroupStateRequest
    InitializeShareGroupStateResponse ReadShareGroupStateRequest ReadShareGroupStateResponse
    WriteShareGroupStateRequest WriteShareGroupStateResponse DeleteShareGroupStateRequest
    DeleteShareGroupStateResponse ReadShareGroupStateSummaryRequest ReadShareGroupStateSummaryResponse
    DescribeShareGroupOffsetsRequest DescribeShareGroupOffsetsResponse AlterShareGroupOffsetsRequest
    AlterShareGroupOffsetsResponse DeleteShareGroupOffsetsRequest DeleteShareGroupOffsetsResponse
    ConsumerProtocolSubscription ConsumerProtocolAssignment EndTxnMarker
}

/// APIs the crate does not know: those of streams groups, and one new in Kafka 4.4.
const UNKNOWN_TO_THE_ORACLE: [&str; 8] = [
    "StreamsGroupHeartbeatRequest",
    "StreamsGroupHeartbeatResponse",
    "StreamsGroupDescribeRequest",
    "StreamsGroupDescribeResponse",
    "StreamsGroupTopologyDescriptionUpdateRequest",
    "StreamsGroupTopologyDescriptionUpdateResponse",
    "UnregisterControllerRequest",
    "UnregisterControllerResponse",
];

/// Calls `check` for every message and version both sides know.
fn for_all(mut check: impl FnMut(&Codec, &Oracle, i16)) {
    let oracles = oracles();
    let mut compared = 0;
    for codec in codecs() {
        let Some(oracle) = oracles.get(codec.name) else {
            let stored = !codec.name.ends_with("Request") && !codec.name.ends_with("Response");
            assert!(
                stored || UNKNOWN_TO_THE_ORACLE.contains(&codec.name),
                "{}",
                codec.name
            );
            continue;
        };
        let first = codec.versions.first.max(oracle.first);
        let last = codec.versions.last.min(oracle.last);
        for version in first..=last {
            check(&codec, oracle, version);
            compared += 1;
        }
    }
    assert!(compared > 400, "{compared} versions of messages compared");
}

#[test]
fn what_we_write_the_oracle_reads_and_writes_the_same() {
    let mut random = Random::new(2);
    for_all(|codec, oracle, version| {
        for _ in 0..10 {
            let made = codec.random_bytes(version, UnknownTags::None, &mut random);
            let ours = (codec.recode)(&made, version).unwrap();
            let (theirs, left) = (oracle.recode)(&ours, version)
                .unwrap_or_else(|e| panic!("{} v{version}: {e}: {ours:02x?}", codec.name));
            assert_eq!(left, 0, "{} v{version}", codec.name);
            assert_eq!(theirs, ours, "{} v{version}", codec.name);
        }
    });
}

#[test]
fn what_the_oracle_writes_we_read_and_write_the_same() {
    let mut random = Random::new(3);
    for_all(|codec, oracle, version| {
        for _ in 0..10 {
            // The oracle keeps unknown tags, so that they are in what it writes.
            let made = codec.random_bytes(version, UnknownTags::Some, &mut random);
            let (theirs, _) = (oracle.recode)(&made, version)
                .unwrap_or_else(|e| panic!("{} v{version}: {e}: {made:02x?}", codec.name));
            assert_eq!(theirs, made, "{} v{version}", codec.name);
            let ours = (codec.recode)(&theirs, version).unwrap();
            let (theirs_known, _) = (oracle.recode)(&ours, version).unwrap();
            assert_eq!(theirs_known, ours, "{} v{version}", codec.name);
        }
        if let Ok(theirs) = (oracle.default)(version) {
            assert_eq!(
                (codec.recode)(&theirs, version),
                Ok(theirs),
                "{} v{version}",
                codec.name
            );
        }
    });
}
