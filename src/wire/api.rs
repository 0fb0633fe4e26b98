//! The APIs: one list, from which the enum, the names and the versions come.

use std::fmt;

use super::codec::{Message, Versions};

/// Calls the macro named with the list of APIs: key, name, module, request and response of each, and with the
/// messages that have no API. For what must treat all of them alike, such as [`ApiKey`] and the tests.
#[macro_export]
#[doc(hidden)]
macro_rules! for_each_message {
    ($callback:ident) => {
        $callback! {
            apis {
                0 Produce produce ProduceRequest ProduceResponse;
                1 Fetch fetch FetchRequest FetchResponse;
                2 ListOffsets list_offsets ListOffsetsRequest ListOffsetsResponse;
                3 Metadata metadata MetadataRequest MetadataResponse;
                8 OffsetCommit offset_commit OffsetCommitRequest OffsetCommitResponse;
                9 OffsetFetch offset_fetch OffsetFetchRequest OffsetFetchResponse;
                10 FindCoordinator find_coordinator FindCoordinatorRequest FindCoordinatorResponse;
                11 JoinGroup join_group JoinGroupRequest JoinGroupResponse;
                12 Heartbeat heartbeat HeartbeatRequest HeartbeatResponse;
                13 LeaveGroup leave_group LeaveGroupRequest LeaveGroupResponse;
                14 SyncGroup sync_group SyncGroupRequest SyncGroupResponse;
                15 DescribeGroups describe_groups DescribeGroupsRequest DescribeGroupsResponse;
                16 ListGroups list_groups ListGroupsRequest ListGroupsResponse;
                17 SaslHandshake sasl_handshake SaslHandshakeRequest SaslHandshakeResponse;
                18 ApiVersions api_versions ApiVersionsRequest ApiVersionsResponse;
                19 CreateTopics create_topics CreateTopicsRequest CreateTopicsResponse;
                20 DeleteTopics delete_topics DeleteTopicsRequest DeleteTopicsResponse;
                21 DeleteRecords delete_records DeleteRecordsRequest DeleteRecordsResponse;
                22 InitProducerId init_producer_id InitProducerIdRequest InitProducerIdResponse;
                23 OffsetForLeaderEpoch offset_for_leader_epoch OffsetForLeaderEpochRequest OffsetForLeaderEpochResponse;
                24 AddPartitionsToTxn add_partitions_to_txn AddPartitionsToTxnRequest AddPartitionsToTxnResponse;
                25 AddOffsetsToTxn add_offsets_to_txn AddOffsetsToTxnRequest AddOffsetsToTxnResponse;
                26 EndTxn end_txn EndTxnRequest EndTxnResponse;
                27 WriteTxnMarkers write_txn_markers WriteTxnMarkersRequest WriteTxnMarkersResponse;
                28 TxnOffsetCommit txn_offset_commit TxnOffsetCommitRequest TxnOffsetCommitResponse;
                29 DescribeAcls describe_acls DescribeAclsRequest DescribeAclsResponse;
                30 CreateAcls create_acls CreateAclsRequest CreateAclsResponse;
                31 DeleteAcls delete_acls DeleteAclsRequest DeleteAclsResponse;
                32 DescribeConfigs describe_configs DescribeConfigsRequest DescribeConfigsResponse;
                33 AlterConfigs alter_configs AlterConfigsRequest AlterConfigsResponse;
                34 AlterReplicaLogDirs alter_replica_log_dirs AlterReplicaLogDirsRequest AlterReplicaLogDirsResponse;
                35 DescribeLogDirs describe_log_dirs DescribeLogDirsRequest DescribeLogDirsResponse;
                36 SaslAuthenticate sasl_authenticate SaslAuthenticateRequest SaslAuthenticateResponse;
                37 CreatePartitions create_partitions CreatePartitionsRequest CreatePartitionsResponse;
                38 CreateDelegationToken create_delegation_token CreateDelegationTokenRequest CreateDelegationTokenResponse;
                39 RenewDelegationToken renew_delegation_token RenewDelegationTokenRequest RenewDelegationTokenResponse;
                40 ExpireDelegationToken expire_delegation_token ExpireDelegationTokenRequest ExpireDelegationTokenResponse;
                41 DescribeDelegationToken describe_delegation_token DescribeDelegationTokenRequest DescribeDelegationTokenResponse;
                42 DeleteGroups delete_groups DeleteGroupsRequest DeleteGroupsResponse;
                43 ElectLeaders elect_leaders ElectLeadersRequest ElectLeadersResponse;
                44 IncrementalAlterConfigs incremental_alter_configs IncrementalAlterConfigsRequest IncrementalAlterConfigsResponse;
                45 AlterPartitionReassignments alter_partition_reassignments AlterPartitionReassignmentsRequest AlterPartitionReassignmentsResponse;
                46 ListPartitionReassignments list_partition_reassignments ListPartitionReassignmentsRequest ListPartitionReassignmentsResponse;
                47 OffsetDelete offset_delete OffsetDeleteRequest OffsetDeleteResponse;
                48 DescribeClientQuotas describe_client_quotas DescribeClientQuotasRequest DescribeClientQuotasResponse;
                49 AlterClientQuotas alter_client_quotas AlterClientQuotasRequest AlterClientQuotasResponse;
                50 DescribeUserScramCredentials describe_user_scram_credentials DescribeUserScramCredentialsRequest DescribeUserScramCredentialsResponse;
                51 AlterUserScramCredentials alter_user_scram_credentials AlterUserScramCredentialsRequest AlterUserScramCredentialsResponse;
                55 DescribeQuorum describe_quorum DescribeQuorumRequest DescribeQuorumResponse;
                57 UpdateFeatures update_features UpdateFeaturesRequest UpdateFeaturesResponse;
                60 DescribeCluster describe_cluster DescribeClusterRequest DescribeClusterResponse;
                61 DescribeProducers describe_producers DescribeProducersRequest DescribeProducersResponse;
                64 UnregisterBroker unregister_broker UnregisterBrokerRequest UnregisterBrokerResponse;
                65 DescribeTransactions describe_transactions DescribeTransactionsRequest DescribeTransactionsResponse;
                66 ListTransactions list_transactions ListTransactionsRequest ListTransactionsResponse;
                68 ConsumerGroupHeartbeat consumer_group_heartbeat ConsumerGroupHeartbeatRequest ConsumerGroupHeartbeatResponse;
                69 ConsumerGroupDescribe consumer_group_describe ConsumerGroupDescribeRequest ConsumerGroupDescribeResponse;
                71 GetTelemetrySubscriptions get_telemetry_subscriptions GetTelemetrySubscriptionsRequest GetTelemetrySubscriptionsResponse;
                72 PushTelemetry push_telemetry PushTelemetryRequest PushTelemetryResponse;
                74 ListConfigResources list_config_resources ListConfigResourcesRequest ListConfigResourcesResponse;
                75 DescribeTopicPartitions describe_topic_partitions DescribeTopicPartitionsRequest DescribeTopicPartitionsResponse;
                76 ShareGroupHeartbeat share_group_heartbeat ShareGroupHeartbeatRequest ShareGroupHeartbeatResponse;
                77 ShareGroupDescribe share_group_describe ShareGroupDescribeRequest ShareGroupDescribeResponse;
                78 ShareFetch share_fetch ShareFetchRequest ShareFetchResponse;
                79 ShareAcknowledge share_acknowledge ShareAcknowledgeRequest ShareAcknowledgeResponse;
                80 AddRaftVoter add_raft_voter AddRaftVoterRequest AddRaftVoterResponse;
                81 RemoveRaftVoter remove_raft_voter RemoveRaftVoterRequest RemoveRaftVoterResponse;
                83 InitializeShareGroupState initialize_share_group_state InitializeShareGroupStateRequest InitializeShareGroupStateResponse;
                84 ReadShareGroupState read_share_group_state ReadShareGroupStateRequest ReadShareGroupStateResponse;
                85 WriteShareGroupState write_share_group_state WriteShareGroupStateRequest WriteShareGroupStateResponse;
                86 DeleteShareGroupState delete_share_group_state DeleteShareGroupStateRequest DeleteShareGroupStateResponse;
                87 ReadShareGroupStateSummary read_share_group_state_summary ReadShareGroupStateSummaryRequest ReadShareGroupStateSummaryResponse;
                88 StreamsGroupHeartbeat streams_group_heartbeat StreamsGroupHeartbeatRequest StreamsGroupHeartbeatResponse;
                89 StreamsGroupDescribe streams_group_describe StreamsGroupDescribeRequest StreamsGroupDescribeResponse;
                90 DescribeShareGroupOffsets describe_share_group_offsets DescribeShareGroupOffsetsRequest DescribeShareGroupOffsetsResponse;
                91 AlterShareGroupOffsets alter_share_group_offsets AlterShareGroupOffsetsRequest AlterShareGroupOffsetsResponse;
                92 DeleteShareGroupOffsets delete_share_group_offsets DeleteShareGroupOffsetsRequest DeleteShareGroupOffsetsResponse;
                93 StreamsGroupTopologyDescriptionUpdate streams_group_topology_description_update StreamsGroupTopologyDescriptionUpdateRequest StreamsGroupTopologyDescriptionUpdateResponse;
                94 UnregisterController unregister_controller UnregisterControllerRequest UnregisterControllerResponse;
            }
            data {
                consumer_group ConsumerGroupCurrentMemberAssignmentKey;
                consumer_group ConsumerGroupCurrentMemberAssignmentValue;
                consumer_group ConsumerGroupMemberMetadataKey;
                consumer_group ConsumerGroupMemberMetadataValue;
                consumer_group ConsumerGroupMetadataKey;
                consumer_group ConsumerGroupMetadataValue;
                consumer_group ConsumerGroupPartitionMetadataKey;
                consumer_group ConsumerGroupPartitionMetadataValue;
                consumer_group ConsumerGroupRegularExpressionKey;
                consumer_group ConsumerGroupRegularExpressionValue;
                consumer_group ConsumerGroupTargetAssignmentMemberKey;
                consumer_group ConsumerGroupTargetAssignmentMemberValue;
                consumer_group ConsumerGroupTargetAssignmentMetadataKey;
                consumer_group ConsumerGroupTargetAssignmentMetadataValue;
                consumer_protocol ConsumerProtocolAssignment;
                consumer_protocol ConsumerProtocolSubscription;
                control_records ControlRecordTypeSchema;
                control_records EndTxnMarker;
                classic_group GroupMetadataKey;
                classic_group GroupMetadataValue;
                offset_commit_records LegacyOffsetCommitKey;
                offset_commit_records LegacyOffsetCommitValue;
                offset_commit_records OffsetCommitKey;
                offset_commit_records OffsetCommitValue;
                share_group ShareGroupCurrentMemberAssignmentKey;
                share_group ShareGroupCurrentMemberAssignmentValue;
                share_group ShareGroupMemberMetadataKey;
                share_group ShareGroupMemberMetadataValue;
                share_group ShareGroupMetadataKey;
                share_group ShareGroupMetadataValue;
                share_group ShareGroupStatePartitionMetadataKey;
                share_group ShareGroupStatePartitionMetadataValue;
                share_group ShareGroupTargetAssignmentMemberKey;
                share_group ShareGroupTargetAssignmentMemberValue;
                share_group ShareGroupTargetAssignmentMetadataKey;
                share_group ShareGroupTargetAssignmentMetadataValue;
                share_state ShareSnapshotKey;
                share_state ShareSnapshotValue;
                share_state ShareUpdateKey;
                share_state ShareUpdateValue;
                streams_group StreamsGroupCurrentMemberAssignmentKey;
                streams_group StreamsGroupCurrentMemberAssignmentValue;
                streams_group StreamsGroupMemberMetadataKey;
                streams_group StreamsGroupMemberMetadataValue;
                streams_group StreamsGroupMetadataKey;
                streams_group StreamsGroupMetadataValue;
                streams_group StreamsGroupTargetAssignmentMemberKey;
                streams_group StreamsGroupTargetAssignmentMemberValue;
                streams_group StreamsGroupTargetAssignmentMetadataKey;
                streams_group StreamsGroupTargetAssignmentMetadataValue;
                streams_group StreamsGroupTopologyKey;
                streams_group StreamsGroupTopologyValue;
                transaction_log TransactionLogKey;
                transaction_log TransactionLogValue;
            }
        }
    };
}

macro_rules! api_keys {
    (
        apis { $($key:literal $name:ident $module:ident $request:ident $response:ident;)* }
        data { $($ignored:tt)* }
    ) => {
        /// What a request asks for: the first two bytes of its header.
        ///
        /// All of Apache Kafka 4.4 but the dead ones and those only controllers speak. Knowing an API here says
        /// nothing about serving it.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[repr(i16)]
        #[allow(missing_docs, reason = "each module under `messages` says what its API does")]
        pub enum ApiKey {
            $($name = $key,)*
        }

        impl ApiKey {
            /// Every API, by ascending key.
            pub const ALL: &'static [ApiKey] = &[$(ApiKey::$name,)*];

            /// The API of a key, `None` for keys that are not known.
            pub const fn from_key(key: i16) -> Option<ApiKey> {
                match key {
                    $($key => Some(ApiKey::$name),)*
                    _ => None,
                }
            }

            /// Kafka's name of it.
            pub const fn name(self) -> &'static str {
                match self {
                    $(ApiKey::$name => stringify!($name),)*
                }
            }

            /// The versions its tables know.
            pub const fn versions(self) -> Versions {
                match self {
                    $(ApiKey::$name => <super::messages::$request as Message>::VERSIONS,)*
                }
            }

            /// Its first flexible version (KIP-482), `i16::MAX` if there is none.
            pub const fn first_flexible(self) -> i16 {
                match self {
                    $(ApiKey::$name => <super::messages::$request as Message>::FIRST_FLEXIBLE,)*
                }
            }
        }
    };
}

for_each_message!(api_keys);

impl ApiKey {
    /// Its number on the wire.
    pub const fn key(self) -> i16 {
        self as i16
    }

    /// Whether the version has compact lengths and tagged fields.
    pub const fn is_flexible(self, version: i16) -> bool {
        version >= self.first_flexible()
    }

    /// The newest version that may be advertised: InitProducerId's newest is for two-phase commit, which Kafka
    /// itself still calls unstable (KIP-939).
    pub const fn last_stable_version(self) -> i16 {
        match self {
            ApiKey::InitProducerId => 5,
            _ => self.versions().last,
        }
    }
}

impl fmt::Display for ApiKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_ascend_and_come_back() {
        assert!(ApiKey::ALL.is_sorted());
        for api in ApiKey::ALL {
            assert_eq!(ApiKey::from_key(api.key()), Some(*api));
            assert!(api.versions().contains(api.last_stable_version()));
        }
        for dead in [-1, 4, 5, 6, 7, 52, 58, 95, i16::MAX, i16::MIN] {
            assert_eq!(ApiKey::from_key(dead), None);
        }
        assert_eq!(ApiKey::ALL.len(), 95 - 4 - 12);
    }
}
