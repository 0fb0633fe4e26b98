//! One connection to one node.

use std::collections::HashMap;
use std::io::{self, Read, Write};
use std::net::{Shutdown, TcpStream, ToSocketAddrs};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;

use super::ClientError;
use crate::wire::codec::{Message, Reader, Request};
use crate::wire::errors::ErrorCode;
use crate::wire::frame::request_frame;
use crate::wire::header::read_response_header;
use crate::wire::messages::api_versions::{ApiVersionsRequest, ApiVersionsResponse};

/// The largest answer taken. Far above what we ask for (a fetch is bounded by `max_bytes` and one batch), far below what a
/// length field can say.
const MAX_ANSWER_BYTES: usize = 512 * 1024 * 1024;

/// All brokers since Kafka 2.4 know it, and it is the first that carries our name.
const API_VERSIONS_VERSION: i16 = 3;

const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// An open connection whose node has said which versions it knows. Answers come in the order of the requests.
#[derive(Debug)]
pub struct Connection {
    address: String,
    client_id: String,
    stream: TcpStream,
    next_correlation: i32,
    versions: HashMap<i16, (i16, i16)>,
}

impl Connection {
    /// Connects to `host:port`, trying each address the name stands for, and asks for the versions. An answer may take
    /// `timeout`.
    pub fn open(address: &str, client_id: &str, timeout: Duration) -> Result<Connection, ClientError> {
        let stream = connect(address, timeout).map_err(|source| ClientError::Connect {
            address: address.to_owned(),
            source: Arc::new(source),
        })?;
        let mut connection = Connection {
            address: address.to_owned(),
            client_id: client_id.to_owned(),
            stream,
            next_correlation: 0,
            versions: HashMap::new(),
        };
        connection.negotiate()?;
        Ok(connection)
    }

    /// `host:port`, as it was given.
    pub fn address(&self) -> &str {
        &self.address
    }

    /// Sends a request and waits for its answer.
    pub fn call<R: Request>(&mut self, request: &R) -> Result<R::Response, ClientError> {
        self.call_at_most(request, i16::MAX)
    }

    /// The same in a version not above `newest`.
    pub fn call_at_most<R: Request>(&mut self, request: &R, newest: i16) -> Result<R::Response, ClientError> {
        let ticket = self.send::<R>(request, newest)?;
        self.receive::<R>(ticket)
    }

    /// Sends a request. The answer is to be received in the same order.
    pub fn send<R: Request>(&mut self, request: &R, newest: i16) -> Result<Ticket, ClientError> {
        let version = self.version_of::<R>(newest)?;
        self.send_in::<R>(request, version)
    }

    /// Waits for the answer to a request that was sent.
    pub fn receive<R: Request>(&mut self, ticket: Ticket) -> Result<R::Response, ClientError> {
        let frame = self.receive_frame()?;
        self.decode_answer::<R>(&frame, ticket)
    }

    /// Whether the node knows this version of an API.
    pub fn knows<R: Request>(&self, version: i16) -> bool {
        self.versions
            .get(&R::API.key())
            .is_some_and(|&(first, last)| first <= version && version <= last)
    }

    /// Sets how long an answer may take from now on.
    pub fn set_timeout(&self, timeout: Duration) -> Result<(), ClientError> {
        self.stream
            .set_read_timeout(Some(timeout))
            .map_err(|source| self.broken(source))
    }

    /// A handle which another thread can use to cut the connection.
    pub fn cutter(&self) -> Result<Cutter, ClientError> {
        self.stream
            .try_clone()
            .map(Cutter)
            .map_err(|source| self.broken(source))
    }

    /// The newest version both sides know, not above `newest`.
    fn version_of<R: Request>(&self, newest: i16) -> Result<i16, ClientError> {
        let unsupported = || ClientError::Unsupported {
            address: self.address.clone(),
            api: R::API.name(),
        };
        let &(first, last) = self.versions.get(&R::API.key()).ok_or_else(unsupported)?;
        let version = last.min(R::API.last_stable_version()).min(newest);
        if version < first.max(R::VERSIONS.first) {
            Err(unsupported())
        } else {
            Ok(version)
        }
    }

    fn negotiate(&mut self) -> Result<(), ClientError> {
        let request = ApiVersionsRequest {
            client_software_name: "corelane".to_owned(),
            client_software_version: env!("CARGO_PKG_VERSION").to_owned(),
            ..Default::default()
        };
        let ticket = self.send_in::<ApiVersionsRequest>(&request, API_VERSIONS_VERSION)?;
        let frame = self.receive_frame()?;
        // A broker that does not know the version answers in version 0, with an error code in the same place.
        let refused = frame.get(4..6) == Some(&ErrorCode::UnsupportedVersion.code().to_be_bytes()[..]);
        let response: ApiVersionsResponse = if refused {
            let ticket = self.send_in::<ApiVersionsRequest>(&request, 0)?;
            self.receive::<ApiVersionsRequest>(ticket)?
        } else {
            self.decode_answer::<ApiVersionsRequest>(&frame, ticket)?
        };
        ClientError::check(&self.address, response.error_code)?;
        self.versions = response
            .api_keys
            .iter()
            .map(|api| (api.api_key, (api.min_version, api.max_version)))
            .collect();
        Ok(())
    }

    fn send_in<R: Request>(&mut self, request: &R, version: i16) -> Result<Ticket, ClientError> {
        let correlation_id = self.next_correlation;
        self.next_correlation = self.next_correlation.wrapping_add(1);
        let frame = request_frame(request, version, correlation_id, Some(&self.client_id))
            .map_err(|error| self.strange(format!("{} v{version} cannot be said: {error}", R::API.name())))?;
        self.stream
            .write_all(&frame)
            .map_err(|source| self.broken(source))?;
        Ok(Ticket {
            correlation_id,
            version,
        })
    }

    fn receive_frame(&mut self) -> Result<Bytes, ClientError> {
        let mut size = [0; 4];
        self.stream
            .read_exact(&mut size)
            .map_err(|source| self.broken(source))?;
        let size = u32::from_be_bytes(size) as usize;
        if size > MAX_ANSWER_BYTES {
            return Err(self.strange(format!(
                "an answer of {size} bytes; this may not be a Kafka broker"
            )));
        }
        // Grows as the bytes come, so that a length alone costs nothing.
        let mut frame = Vec::new();
        let taken = (&mut self.stream).take(size as u64).read_to_end(&mut frame);
        match taken {
            Ok(read) if read == size => Ok(Bytes::from(frame)),
            Ok(_) => Err(self.broken(io::ErrorKind::UnexpectedEof.into())),
            Err(source) => Err(self.broken(source)),
        }
    }

    fn decode_answer<R: Request>(&self, frame: &Bytes, ticket: Ticket) -> Result<R::Response, ClientError> {
        let mut r = Reader::new(frame);
        let correlation_id = read_response_header(&mut r, R::API, ticket.version)
            .map_err(|error| self.strange(format!("{}: {error}", R::API.name())))?;
        if correlation_id != ticket.correlation_id {
            return Err(self.strange(format!(
                "answer {correlation_id} to request {}",
                ticket.correlation_id
            )));
        }
        let response = R::Response::decode(&mut r, ticket.version)
            .map_err(|error| self.strange(format!("{} v{}: {error}", R::API.name(), ticket.version)))?;
        Ok(response)
    }

    fn broken(&self, source: io::Error) -> ClientError {
        ClientError::Connection {
            address: self.address.clone(),
            source: Arc::new(source),
        }
    }

    fn strange(&self, detail: String) -> ClientError {
        ClientError::Protocol {
            address: self.address.clone(),
            detail,
        }
    }
}

/// What is needed to read the answer to a request.
#[derive(Clone, Copy, Debug)]
pub struct Ticket {
    correlation_id: i32,
    version: i16,
}

/// Cuts a connection that another thread waits on.
#[derive(Debug)]
pub struct Cutter(TcpStream);

impl Cutter {
    /// Whoever waits gets an error now.
    pub fn cut(&self) {
        // It may be closed already, which is as good.
        let _ = self.0.shutdown(Shutdown::Both);
    }
}

fn connect(address: &str, timeout: Duration) -> io::Result<TcpStream> {
    let mut last_error = io::Error::new(io::ErrorKind::NotFound, "the name has no address");
    for candidate in address.to_socket_addrs()? {
        match TcpStream::connect_timeout(&candidate, timeout.min(CONNECT_TIMEOUT)) {
            Ok(stream) => {
                stream.set_nodelay(true)?;
                stream.set_read_timeout(Some(timeout))?;
                stream.set_write_timeout(Some(timeout))?;
                return Ok(stream);
            }
            Err(error) => last_error = error,
        }
    }
    Err(last_error)
}
