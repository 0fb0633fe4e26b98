//! One file per API, named as the API; this list is what the broker serves.
//!
//! From the list come dispatch and the answer to ApiVersions, so an API can't be advertised without a handler. Each
//! handler's file says which versions it serves, what it does, and what it deliberately leaves out. A handler turns
//! a request into its response; errors are codes in the response. Only a request that can't be decoded closes the connection.
//! Start reading in `metadata`, then in `produce` and `fetch`, which have shapes of their own.

use bytes::BytesMut;

use crate::server::context::RequestContext;
use crate::wire::api::ApiKey;
use crate::wire::codec::{DecodeError, EncodeError, Message, Reader, Request};
use crate::wire::frame::response_frame;

pub mod authorized_operations;
pub mod change;
pub mod config_changes;
pub mod config_resource;
pub mod fetch;
mod group_errors;
pub mod nodes;
pub mod partition_lookup;
pub mod produce;

macro_rules! handlers {
    ($($module:ident: $request:ident,)*) => {
        $(pub mod $module;)*

        /// The APIs that are served.
        pub const SERVED: &[ApiKey] =
            &[ApiKey::Produce, ApiKey::Fetch, $(<crate::wire::messages::$request as Request>::API),*];

        /// Decodes a request other than Produce and Fetch, has it handled, and gives its answer's frame.
        pub async fn dispatch(
            cx: &RequestContext,
            api: ApiKey,
            correlation_id: i32,
            body: &mut Reader<'_>,
        ) -> Result<Result<BytesMut, EncodeError>, DecodeError> {
            $(if api == <crate::wire::messages::$request as Request>::API {
                let request = crate::wire::messages::$request::decode(body, cx.api_version)?;
                // Boxed, so that a connection's task is not as large as the largest handler.
                let response = Box::pin($module::handle(cx, request)).await;
                return Ok(response_frame(&response, cx.api_version, correlation_id));
            })*
            unreachable!("{api:?} is served and has no handler")
        }
    };
}

handlers! {
    alter_configs: AlterConfigsRequest,
    alter_partition_reassignments: AlterPartitionReassignmentsRequest,
    alter_replica_log_dirs: AlterReplicaLogDirsRequest,
    alter_user_scram_credentials: AlterUserScramCredentialsRequest,
    api_versions: ApiVersionsRequest,
    create_partitions: CreatePartitionsRequest,
    create_topics: CreateTopicsRequest,
    delete_groups: DeleteGroupsRequest,
    delete_records: DeleteRecordsRequest,
    delete_topics: DeleteTopicsRequest,
    describe_cluster: DescribeClusterRequest,
    describe_configs: DescribeConfigsRequest,
    describe_groups: DescribeGroupsRequest,
    describe_log_dirs: DescribeLogDirsRequest,
    describe_producers: DescribeProducersRequest,
    describe_quorum: DescribeQuorumRequest,
    describe_topic_partitions: DescribeTopicPartitionsRequest,
    describe_user_scram_credentials: DescribeUserScramCredentialsRequest,
    elect_leaders: ElectLeadersRequest,
    find_coordinator: FindCoordinatorRequest,
    heartbeat: HeartbeatRequest,
    incremental_alter_configs: IncrementalAlterConfigsRequest,
    init_producer_id: InitProducerIdRequest,
    join_group: JoinGroupRequest,
    leave_group: LeaveGroupRequest,
    list_config_resources: ListConfigResourcesRequest,
    list_groups: ListGroupsRequest,
    list_offsets: ListOffsetsRequest,
    list_partition_reassignments: ListPartitionReassignmentsRequest,
    metadata: MetadataRequest,
    offset_commit: OffsetCommitRequest,
    offset_delete: OffsetDeleteRequest,
    offset_fetch: OffsetFetchRequest,
    offset_for_leader_epoch: OffsetForLeaderEpochRequest,
    sync_group: SyncGroupRequest,
}

/// The API with this key, if it is served in this version.
pub fn served(api_key: i16, version: i16) -> Option<ApiKey> {
    let api = ApiKey::from_key(api_key)?;
    let in_range = api.versions().contains(version) && version <= api.last_stable_version();
    (in_range && SERVED.contains(&api)).then_some(api)
}
