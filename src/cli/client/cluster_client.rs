//! A client of a whole cluster.

use std::collections::HashMap;
use std::time::Duration;

use super::cluster::host_port;
use super::connection::Connection;
use super::{ClientError, Cluster, Deadline};
use crate::base::ids::NodeId;
use crate::wire::codec::Request;
use crate::wire::errors::ErrorCode;
use crate::wire::messages::find_coordinator::FindCoordinatorRequest;
use crate::wire::messages::metadata::{MetadataRequest, MetadataRequestTopic};

/// How long a topic may be unknown to the node we ask although it was just made. After that it is taken to be not there:
/// a typing error should not cost more.
const KNOWN_WITHIN: Duration = Duration::from_secs(1);

/// How long a topic may take to be made because we asked for it.
const MADE_WITHIN: Duration = Duration::from_secs(10);

/// Where the cluster is, and how patient to be.
#[derive(Clone, Debug)]
pub struct ClientOptions {
    /// `host:port` of some of its nodes.
    pub bootstrap: Vec<String>,
    /// For how long to try a request, with all repetitions; also how long one answer may take.
    pub timeout: Duration,
    /// The name the broker logs.
    pub client_id: String,
}

/// Whether asking for a topic may make it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AutoCreate {
    /// It may, if the broker is set so.
    Allowed,
    /// It may not.
    Denied,
}

/// Connections to the nodes of a cluster, and what is known about it.
#[derive(Debug)]
pub struct ClusterClient {
    options: ClientOptions,
    bootstrap: Option<Connection>,
    nodes: HashMap<NodeId, Connection>,
    cluster: Cluster,
}

impl ClusterClient {
    /// Connects to the first bootstrap address that answers, and learns the nodes. Does not try twice: whoever starts a
    /// command wants to know at once that nobody is there.
    pub fn connect(options: ClientOptions) -> Result<ClusterClient, ClientError> {
        let mut client = ClusterClient {
            options,
            bootstrap: None,
            nodes: HashMap::new(),
            cluster: Cluster::default(),
        };
        client.open_bootstrap()?;
        client.refresh(&[], AutoCreate::Denied)?;
        Ok(client)
    }

    /// The options.
    pub fn options(&self) -> &ClientOptions {
        &self.options
    }

    /// What is known.
    pub fn cluster(&self) -> &Cluster {
        &self.cluster
    }

    /// A deadline as far away as the options say.
    pub fn deadline(&self) -> Deadline {
        Deadline::after(self.options.timeout)
    }

    /// Asks any node.
    pub fn call_any<R: Request>(&mut self, request: &R) -> Result<R::Response, ClientError> {
        let result = self.any()?.call(request);
        if is_broken(&result) {
            self.bootstrap = None;
        }
        result
    }

    /// Asks one node, in a version not above `newest`.
    pub fn call_node<R: Request>(
        &mut self,
        node: NodeId,
        request: &R,
        newest: i16,
    ) -> Result<R::Response, ClientError> {
        let result = self.node(node)?.call_at_most(request, newest);
        if is_broken(&result) {
            self.nodes.remove(&node);
        }
        result
    }

    /// The connection to a node, opened if it is not. After an error on it, call `forget`.
    pub fn node(&mut self, node: NodeId) -> Result<&mut Connection, ClientError> {
        if !self.nodes.contains_key(&node) {
            let address = self.address_of(node)?;
            let connection = Connection::open(&address, &self.options.client_id, self.options.timeout)?;
            self.nodes.insert(node, connection);
        }
        Ok(self.nodes.get_mut(&node).expect("just opened"))
    }

    /// Drops the connection to a node.
    pub fn forget(&mut self, node: NodeId) {
        self.nodes.remove(&node);
    }

    /// `host:port` of a node.
    pub fn address_of(&self, node: NodeId) -> Result<String, ClientError> {
        let address = self.cluster.nodes.get(&node).cloned();
        address.ok_or_else(|| ClientError::NoNode {
            what: format!("node {node}"),
        })
    }

    /// Asks the controller, where the cluster has one that clients see. Tries again until the deadline when it has moved:
    /// `codes` finds the error codes in a response.
    pub fn call_controller<R: Request>(
        &mut self,
        request: &R,
        codes: impl Fn(&R::Response) -> Vec<i16>,
    ) -> Result<R::Response, ClientError> {
        self.retry(|client| {
            let response = match client.cluster.controller {
                Some(node) if client.cluster.nodes.contains_key(&node) => {
                    client.call_node(node, request, i16::MAX)?
                }
                _ => client.call_any(request)?,
            };
            let not_controller = ErrorCode::NotController.code();
            if codes(&response).contains(&not_controller) {
                ClientError::check("controller", not_controller)?;
            }
            Ok(response)
        })
    }

    /// Whether the nodes know this version of an API. Asks one, and takes the others to be alike.
    pub fn knows<R: Request>(&mut self, version: i16) -> Result<bool, ClientError> {
        Ok(self.any()?.knows::<R>(version))
    }

    /// Learns the nodes and these topics anew, from any node. A topic's error is in the topic.
    pub fn refresh(&mut self, topics: &[&str], auto_create: AutoCreate) -> Result<(), ClientError> {
        let named = |name: &&str| MetadataRequestTopic {
            name: Some((*name).to_owned()),
            ..Default::default()
        };
        self.metadata(Some(topics.iter().map(named).collect()), auto_create)
    }

    /// Learns all topics.
    pub fn refresh_all(&mut self) -> Result<(), ClientError> {
        self.retry(|client| client.metadata(None, AutoCreate::Denied))
    }

    /// Learns these topics, and waits a little for those that are being made. Error: the broker's, for the first topic that
    /// is not there in the end.
    pub fn require_topics(&mut self, topics: &[&str], auto_create: AutoCreate) -> Result<(), ClientError> {
        let patience = match auto_create {
            AutoCreate::Allowed => MADE_WITHIN,
            AutoCreate::Denied => KNOWN_WITHIN,
        };
        let mut deadline = Deadline::after(patience.min(self.options.timeout));
        loop {
            self.refresh(topics, auto_create)?;
            match self.check_topics(topics) {
                Err(error) if error.is_retriable() && deadline.pause() => {}
                result => return result,
            }
        }
    }

    /// After a change: waits until the node we ask knows of it, so that the next command does, too. A broker may answer
    /// before all of its nodes have heard. Gives up quietly: the change is made all the same.
    pub fn wait_until_seen(
        &mut self,
        topics: &[&str],
        seen: impl Fn(&Cluster) -> bool,
    ) -> Result<(), ClientError> {
        let mut deadline = Deadline::after(MADE_WITHIN.min(self.options.timeout));
        loop {
            self.refresh(topics, AutoCreate::Denied)?;
            if seen(&self.cluster) || !deadline.pause() {
                return Ok(());
            }
        }
    }

    fn check_topics(&self, topics: &[&str]) -> Result<(), ClientError> {
        for name in topics {
            let Some(topic) = self.cluster.topics.get(*name) else {
                return Err(ClientError::NoNode {
                    what: format!("topic {name}"),
                });
            };
            ClientError::check(format!("topic {name}"), topic.error.code())?;
            if let Some(partition) = topic.partitions.iter().find(|p| p.leader.is_none()) {
                return Err(ClientError::NoNode {
                    what: format!("partition {name}-{}", partition.index),
                });
            }
        }
        Ok(())
    }

    /// The node that coordinates a group. Tried once.
    pub(super) fn find_coordinator(&mut self, group: &str) -> Result<NodeId, ClientError> {
        // Version 4 asks for many at once and puts the answer elsewhere (KIP-699).
        let connection = self.any()?;
        let many = FindCoordinatorRequest {
            coordinator_keys: vec![group.to_owned()],
            ..Default::default()
        };
        let one = FindCoordinatorRequest {
            key: group.to_owned(),
            ..Default::default()
        };
        let result = if connection.knows::<FindCoordinatorRequest>(4) {
            connection.call(&many)
        } else {
            connection.call_at_most(&one, 3)
        };
        if is_broken(&result) {
            self.bootstrap = None;
        }
        let mut response = result?;
        let what = format!("coordinator of group {group}");
        let (node, host, port) = match response.coordinators.pop() {
            Some(found) => {
                ClientError::check_with(what, found.error_code, found.error_message.as_deref())?;
                (found.node_id, found.host, found.port)
            }
            None => {
                ClientError::check_with(what, response.error_code, response.error_message.as_deref())?;
                (response.node_id, response.host, response.port)
            }
        };
        let address = host_port(&host, port);
        if self
            .cluster
            .nodes
            .insert(NodeId(node), address.clone())
            .is_some_and(|old| old != address)
        {
            self.forget(NodeId(node));
        }
        Ok(NodeId(node))
    }

    /// Asks the coordinator of a group; looks for it again when it has moved. `check` finds the error in a response.
    pub fn call_coordinator<R: Request>(
        &mut self,
        group: &str,
        request: &R,
        newest: i16,
        check: impl Fn(&R::Response) -> Result<(), ClientError>,
    ) -> Result<R::Response, ClientError> {
        self.retry(|client| {
            let node = client.find_coordinator(group)?;
            let response = client.call_node(node, request, newest)?;
            check(&response)?;
            Ok(response)
        })
    }

    /// Does something until it succeeds, fails for good, or the deadline has come.
    pub fn retry<T>(
        &mut self,
        mut attempt: impl FnMut(&mut ClusterClient) -> Result<T, ClientError>,
    ) -> Result<T, ClientError> {
        let mut deadline = self.deadline();
        loop {
            match attempt(self) {
                Err(error) if error.is_retriable() && deadline.pause() => {
                    // What led to the wrong place may have changed. If nobody answers, the next attempt says so.
                    let _ = self.refresh(&[], AutoCreate::Denied);
                }
                result => return result,
            }
        }
    }

    fn metadata(
        &mut self,
        topics: Option<Vec<MetadataRequestTopic>>,
        auto_create: AutoCreate,
    ) -> Result<(), ClientError> {
        let request = MetadataRequest {
            topics,
            allow_auto_topic_creation: auto_create == AutoCreate::Allowed,
            ..Default::default()
        };
        let response = self.call_any(&request)?;
        let before = std::mem::take(&mut self.cluster.nodes);
        self.cluster.update(response);
        // A node that has moved needs a new connection.
        self.nodes
            .retain(|node, _| before.get(node) == self.cluster.nodes.get(node));
        Ok(())
    }

    fn any(&mut self) -> Result<&mut Connection, ClientError> {
        if self.bootstrap.is_none() {
            self.open_bootstrap()?;
        }
        Ok(self.bootstrap.as_mut().expect("just opened"))
    }

    fn open_bootstrap(&mut self) -> Result<(), ClientError> {
        let known = self.cluster.nodes.values();
        let mut last_error = None;
        for address in self.options.bootstrap.iter().chain(known) {
            match Connection::open(address, &self.options.client_id, self.options.timeout) {
                Ok(connection) => {
                    self.bootstrap = Some(connection);
                    return Ok(());
                }
                Err(error) => last_error = last_error.or(Some(error)),
            }
        }
        Err(last_error.unwrap_or_else(|| ClientError::NoNode {
            what: "an empty bootstrap list".to_owned(),
        }))
    }
}

fn is_broken<T>(result: &Result<T, ClientError>) -> bool {
    matches!(
        result,
        Err(ClientError::Connect { .. } | ClientError::Connection { .. } | ClientError::Protocol { .. })
    )
}
