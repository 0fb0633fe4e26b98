//! What a group is, and who is in it.

use crate::cli::client::{ClientError, ClusterClient, Partition, decode_assignment, error_code};
use crate::wire::errors::ErrorCode;
use crate::wire::messages::consumer_group_describe::{
    ConsumerGroupDescribeRequest, DescribedGroup as NewGroup,
};
use crate::wire::messages::describe_groups::{DescribeGroupsRequest, DescribedGroup};

/// A group, of the classic or of the newer protocol (KIP-848).
#[derive(Clone, Debug)]
pub struct GroupDescription {
    pub state: String,
    pub assignor: String,
    pub members: Vec<Member>,
}

/// A member of a group.
#[derive(Clone, Debug)]
pub struct Member {
    pub id: String,
    pub instance_id: Option<String>,
    pub client_id: String,
    pub host: String,
    pub partitions: Vec<Partition>,
}

/// Asks the group's coordinator. `None` if it knows no such group.
pub fn describe_group(
    client: &mut ClusterClient,
    group: &str,
) -> Result<Option<GroupDescription>, ClientError> {
    if let Some(found) = describe_classic(client, group)? {
        return Ok(Some(found));
    }
    if client.knows::<ConsumerGroupDescribeRequest>(0)? {
        describe_new(client, group)
    } else {
        Ok(None)
    }
}

fn describe_classic(
    client: &mut ClusterClient,
    group: &str,
) -> Result<Option<GroupDescription>, ClientError> {
    let request = DescribeGroupsRequest {
        groups: vec![group.to_owned()],
        ..Default::default()
    };
    let mut response = client.call_coordinator(group, &request, i16::MAX, |response| {
        response
            .groups
            .iter()
            .try_for_each(|g| check(group, g.error_code, g.error_message.as_deref()))
    })?;
    // Up to version 5 a group that is not there is a dead one.
    let found = response
        .groups
        .pop()
        .filter(|g| g.error_code == 0 && g.group_state != "Dead");
    Ok(found.map(from_classic))
}

fn describe_new(client: &mut ClusterClient, group: &str) -> Result<Option<GroupDescription>, ClientError> {
    let request = ConsumerGroupDescribeRequest {
        group_ids: vec![group.to_owned()],
        ..Default::default()
    };
    let mut response = client.call_coordinator(group, &request, i16::MAX, |response| {
        response
            .groups
            .iter()
            .try_for_each(|g| check(group, g.error_code, g.error_message.as_deref()))
    })?;
    Ok(response.groups.pop().filter(|g| g.error_code == 0).map(from_new))
}

fn check(group: &str, code: i16, message: Option<&str>) -> Result<(), ClientError> {
    if error_code(code) == ErrorCode::GroupIdNotFound {
        return Ok(());
    }
    ClientError::check_with(format!("group {group}"), code, message)
}

fn from_classic(group: DescribedGroup) -> GroupDescription {
    let members = group.members.into_iter().map(|member| Member {
        // Members of other protocol types (Connect's workers) have something else in there.
        partitions: decode_assignment(&member.member_assignment).unwrap_or_default(),
        id: member.member_id,
        instance_id: member.group_instance_id,
        client_id: member.client_id,
        host: member.client_host,
    });
    GroupDescription {
        state: group.group_state,
        assignor: group.protocol_data,
        members: members.collect(),
    }
}

fn from_new(group: NewGroup) -> GroupDescription {
    let members = group.members.into_iter().map(|member| Member {
        id: member.member_id,
        instance_id: member.instance_id,
        client_id: member.client_id,
        host: member.client_host,
        partitions: member
            .assignment
            .topic_partitions
            .iter()
            .flat_map(|topic| {
                topic
                    .partitions
                    .iter()
                    .map(|index| Partition::new(&topic.topic_name, *index))
            })
            .collect(),
    });
    GroupDescription {
        state: group.group_state,
        assignor: group.assignor_name,
        members: members.collect(),
    }
}
