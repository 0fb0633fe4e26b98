//! Requests outside the timed part, one at a time over a blocking connection.

use std::io::{Read, Write};
use std::net::{TcpStream, ToSocketAddrs};
use std::time::Duration;

use anyhow::{Context, ensure};

use crate::base::limits::MAX_FRAME_BYTES;
use crate::wire::api::ApiKey;
use crate::wire::codec::Request;
use crate::wire::messages::{ApiVersionsRequest, ApiVersionsResponse};

use super::frame;

/// How long a broker may take for a connection or an answer. Creating a topic with thousands of partitions takes seconds.
const PATIENCE: Duration = Duration::from_secs(60);

/// A connection to one node, with the versions it speaks.
pub struct BrokerClient {
    socket: TcpStream,
    versions: ApiVersionsResponse,
}

impl BrokerClient {
    /// Connects to `HOST:PORT` and asks for the versions.
    ///
    /// # Errors
    /// When nobody answers there, or it does not speak Kafka's protocol.
    pub fn connect(address: &str) -> anyhow::Result<BrokerClient> {
        let socket = connect(address)?;
        socket.set_read_timeout(Some(PATIENCE))?;
        let mut client = BrokerClient {
            socket,
            versions: ApiVersionsResponse::default(),
        };
        client.versions = client
            .exchange(&ApiVersionsRequest::default(), 0)
            .with_context(|| format!("{address} does not answer as a Kafka broker"))?;
        Ok(client)
    }

    /// The newest version of an API up to `at_most` that the broker speaks.
    ///
    /// # Errors
    /// When it speaks none.
    pub fn version(&self, api: ApiKey, at_most: i16) -> anyhow::Result<i16> {
        let spoken = self
            .versions
            .api_keys
            .iter()
            .find(|spoken| spoken.api_key == api.key());
        let spoken = spoken.with_context(|| format!("the broker does not know {api:?}"))?;
        ensure!(
            spoken.min_version <= at_most,
            "the broker knows {api:?} only from version {} on",
            spoken.min_version
        );
        Ok(spoken.max_version.min(at_most))
    }

    /// Sends a request and waits for the answer.
    ///
    /// # Errors
    /// When the connection breaks or the answer is not one.
    pub fn exchange<R: Request>(&mut self, request: &R, version: i16) -> anyhow::Result<R::Response> {
        self.socket.write_all(&frame::encode(request, version)?)?;
        let mut length = [0; 4];
        self.socket
            .read_exact(&mut length)
            .context("waiting for an answer")?;
        let length = usize::try_from(i32::from_be_bytes(length)).context("a negative frame length")?;
        ensure!(length <= MAX_FRAME_BYTES, "an answer of {length} bytes");
        let mut answer = vec![0; length];
        self.socket
            .read_exact(&mut answer)
            .context("waiting for an answer")?;
        frame::decode_answer::<R>(&answer, version)
    }
}

/// Opens a TCP connection.
///
/// # Errors
/// When none of the addresses behind the name answers.
pub fn connect(address: &str) -> anyhow::Result<TcpStream> {
    let mut last = None;
    for resolved in address
        .to_socket_addrs()
        .with_context(|| format!("`{address}` is not HOST:PORT"))?
    {
        match TcpStream::connect_timeout(&resolved, PATIENCE) {
            Ok(socket) => {
                socket.set_nodelay(true)?;
                return Ok(socket);
            }
            Err(e) => last = Some(e),
        }
    }
    let last = last.with_context(|| format!("`{address}` has no address"))?;
    Err(last).with_context(|| format!("no connection to {address}"))
}
