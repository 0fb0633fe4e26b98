//! Hot path: produce, step 2; fetch, step 2. One client connection from its first byte to its last.

use std::cell::{Cell, RefCell};
use std::fmt;
use std::io::{self, IoSlice};
use std::pin::pin;
use std::rc::Rc;
use std::time::Duration;

use bytes::BytesMut;

use crate::rt;
use crate::rt::net::Stream;
use crate::server::context::{ConnectionInfo, RequestContext};
use crate::server::frame_reader::{Frame, FrameError, FrameReader};
use crate::server::handlers::produce::Begun;
use crate::server::handlers::{self, fetch, produce};
use crate::server::pipeline::Pipeline;
use crate::server::state::{Admission, ServerState};
use crate::wire::api::ApiKey;
use crate::wire::codec::{DecodeError, EncodeError, Reader};
use crate::wire::fetch_view::FetchView;
use crate::wire::frame::response_frame;
use crate::wire::header::RequestHeaderView;

/// Largest piece of an answer that is sent before the peer's progress is looked at, in bytes. A peer has
/// `connections.max.idle.ms` for each.
const SEND_STEP_BYTES: usize = 1024 * 1024;

/// How often a request that takes long is looked after, in case its peer has gone. Longer than nearly all requests take, so that
/// they pay nothing for it; what a long poll of a closed connection holds is held so much longer.
const PEER_CHECK_INTERVAL: Duration = Duration::from_secs(1);

/// Why the server closed a connection.
#[derive(Debug)]
pub enum CloseReason {
    /// Its bytes are no frames.
    Frame(FrameError),
    /// A frame is no request.
    Malformed(ApiKey, i16, DecodeError),
    /// A frame's header can't be read.
    Header(DecodeError),
    /// The API or its version is not served.
    Unsupported {
        /// The key asked for.
        api_key: i16,
        /// The version asked for.
        version: i16,
    },
    /// A producer that wants no answer (acks 0) made an error; closing is how it learns of it.
    UnansweredProduceFailed,
    /// Nothing came for `connections.max.idle.ms`.
    Idle,
    /// The peer closed while its request waited for something, so nobody is there to be answered.
    PeerGone,
    /// An answer could not be sent.
    Send(io::Error),
    /// An answer can't be written in the version asked for.
    Unanswerable(ApiKey, i16, EncodeError),
}

impl fmt::Display for CloseReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            CloseReason::Frame(FrameError::BadLength(length)) => write!(f, "a frame of {length} bytes"),
            CloseReason::Frame(FrameError::Truncated) => f.write_str("the peer closed inside a frame"),
            CloseReason::Frame(FrameError::Stalled) => f.write_str("the peer stalled inside a frame"),
            CloseReason::Frame(FrameError::Io(error)) => write!(f, "receiving failed: {error}"),
            CloseReason::Malformed(api, version, error) => write!(f, "malformed {api:?} v{version}: {error}"),
            CloseReason::Header(error) => write!(f, "malformed request header: {error}"),
            CloseReason::Unsupported { api_key, version } => {
                write!(f, "API {api_key} version {version} is not served")
            }
            CloseReason::UnansweredProduceFailed => f.write_str("a produce request with acks=0 failed"),
            CloseReason::Idle => f.write_str("idle for connections.max.idle.ms"),
            CloseReason::PeerGone => f.write_str("the peer closed while its request waited"),
            CloseReason::Send(error) => write!(f, "sending failed: {error}"),
            CloseReason::Unanswerable(api, version, error) => {
                write!(f, "the answer to {api:?} v{version} can't be written: {error}")
            }
        }
    }
}

impl CloseReason {
    /// Whether the peer broke the protocol, rather than go away or fall silent.
    fn is_violation(&self) -> bool {
        match self {
            CloseReason::Frame(error) => matches!(error, FrameError::BadLength(_)),
            CloseReason::Malformed(..) | CloseReason::Header(_) | CloseReason::Unsupported { .. } => true,
            CloseReason::Unanswerable(..) => true,
            CloseReason::UnansweredProduceFailed
            | CloseReason::Idle
            | CloseReason::PeerGone
            | CloseReason::Send(_) => false,
        }
    }
}

/// The sending side of a connection.
pub struct Sender {
    stream: Rc<Stream>,
    stall: Duration,
}

impl Sender {
    /// Sends all slices. A peer that takes nothing for the time of an idle connection is an error.
    pub async fn send(&self, mut slices: &[IoSlice<'_>]) -> io::Result<()> {
        while !slices.is_empty() {
            let mut count = 1;
            let mut bytes = slices[0].len();
            while count < slices.len() && bytes + slices[count].len() <= SEND_STEP_BYTES {
                bytes += slices[count].len();
                count += 1;
            }
            match rt::timeout(self.stall, self.stream.send_all(&slices[..count])).await {
                Ok(sent) => sent?,
                Err(_) => {
                    return Err(io::Error::new(
                        io::ErrorKind::TimedOut,
                        "the peer does not read its answers",
                    ));
                }
            }
            slices = &slices[count..];
        }
        Ok(())
    }

    /// Whether the peer sends no more.
    fn peer_has_closed(&self) -> bool {
        self.stream.peer_has_closed()
    }

    /// Ends the connection in both directions; whoever waits to receive sees its end.
    pub fn shutdown(&self) {
        self.stream.shutdown();
    }
}

/// Serves a connection until the peer closes it, breaks the protocol, or the server stops.
pub async fn serve(server: Rc<ServerState>, admission: Admission, stream: Stream) {
    let (Ok(local_addr), Ok(peer_addr)) = (stream.local_addr(), stream.peer_addr()) else {
        // The peer has gone again already.
        return;
    };
    let stream = Rc::new(stream);
    let connection = Connection {
        info: Rc::new(ConnectionInfo {
            id: admission.id,
            local_addr,
            peer_addr,
        }),
        pipeline: Rc::new(Pipeline::new()),
        pipeline_runs: Cell::new(false),
        sender: Rc::new(Sender {
            stream: stream.clone(),
            stall: server.idle_limit(),
        }),
        client_id: RefCell::new("".into()),
        server,
    };
    let reason = connection.read_requests(stream).await;
    // What was appended is answered even when the peer has closed its side after the last request.
    connection.pipeline.close();
    connection.pipeline.drained().await;
    connection.sender.shutdown();
    connection
        .server
        .fetch_sessions
        .borrow_mut()
        .close_connection(connection.info.id);
    if let Err(reason) = reason {
        let peer = connection.info.peer_addr;
        if reason.is_violation() {
            tracing::warn!(%peer, %reason, "connection closed");
        } else {
            tracing::debug!(%peer, %reason, "connection closed");
        }
    }
}

struct Connection {
    server: Rc<ServerState>,
    info: Rc<ConnectionInfo>,
    pipeline: Rc<Pipeline>,
    pipeline_runs: Cell<bool>,
    sender: Rc<Sender>,
    /// The client's name in its last request, which the next one shares.
    client_id: RefCell<Rc<str>>,
}

impl Connection {
    fn client_id(&self, name: &str) -> Rc<str> {
        let mut last = self.client_id.borrow_mut();
        if **last != *name {
            *last = name.into();
        }
        last.clone()
    }

    async fn read_requests(&self, stream: Rc<Stream>) -> Result<(), CloseReason> {
        let max_frame_bytes = self.server.shard.settings().socket_request_max_bytes;
        let mut frames = FrameReader::new(stream, self.server.request_budget.clone(), max_frame_bytes);
        loop {
            let frame = match frames.buffered().map_err(CloseReason::Frame)? {
                Some(frame) => frame,
                None => match self.next_frame(&mut frames).await? {
                    Some(frame) => frame,
                    None => return Ok(()),
                },
            };
            if self.server.is_stopping() {
                return Ok(());
            }
            self.handle(frame).await?;
            rt::yield_if_needed().await;
        }
    }

    /// The next frame; `None` when the peer has closed or the server stops.
    async fn next_frame(&self, frames: &mut FrameReader) -> Result<Option<Frame>, CloseReason> {
        let next = rt::timeout(self.server.idle_limit(), frames.next());
        match rt::race(next, self.server.stopped()).await {
            rt::Either::Left(Ok(frame)) => frame.map_err(CloseReason::Frame),
            rt::Either::Left(Err(_)) => Err(CloseReason::Idle),
            rt::Either::Right(()) => Ok(None),
        }
    }

    async fn handle(&self, frame: Frame) -> Result<(), CloseReason> {
        let mut reader = Reader::of_slice(&frame.bytes);
        let header = RequestHeaderView::read(&mut reader).map_err(CloseReason::Header)?;
        let body_at = reader.position();
        let (version, correlation_id) = (header.api_version, header.correlation_id);
        let metrics = &self.server.shard.metrics;
        metrics.requests.set(metrics.requests.get() + 1);
        let Some(api) = handlers::served(header.api_key, version) else {
            if header.api_key != ApiKey::ApiVersions.key() {
                return Err(CloseReason::Unsupported {
                    api_key: header.api_key,
                    version,
                });
            }
            // A client too new is told what is served, in the oldest form, which it can read (KIP-511).
            self.answered().await?;
            let answer = handlers::api_versions::unsupported_version();
            return self
                .answer(response_frame(&answer, 0, correlation_id), ApiKey::ApiVersions, 0)
                .await;
        };
        if api == ApiKey::Produce {
            return self.produce(correlation_id, version, frame, body_at).await;
        }
        let cx = RequestContext {
            server: self.server.clone(),
            connection: self.info.clone(),
            api_version: version,
            client_id: header.client_id.map(|name| self.client_id(name)),
        };
        self.answered().await?;
        let bytes = frame.bytes.freeze();
        let mut reader = Reader::new(&bytes);
        reader.take(body_at).expect("the header has been read");
        let malformed = |error| CloseReason::Malformed(api, version, error);
        if api == ApiKey::Fetch {
            let request = FetchView::read(&mut reader, version).map_err(malformed)?;
            let unanswerable = |error| CloseReason::Unanswerable(api, version, error);
            let answer = self
                .while_connected(fetch::handle(&cx, correlation_id, request))
                .await?
                .map_err(unanswerable)?;
            return answer.send(&self.sender).await.map_err(CloseReason::Send);
        }
        let answer = self
            .while_connected(handlers::dispatch(&cx, api, correlation_id, &mut reader))
            .await?
            .map_err(malformed)?;
        self.answer(answer, api, version).await
    }

    async fn produce(
        &self,
        correlation_id: i32,
        version: i16,
        frame: Frame,
        body_at: usize,
    ) -> Result<(), CloseReason> {
        if !self.pipeline_runs.replace(true) {
            rt::spawn(self.pipeline.clone().run(self.sender.clone()));
        }
        if !self.pipeline.room().await {
            return Err(CloseReason::Send(io::ErrorKind::BrokenPipe.into()));
        }
        self.server.shard.room_to_append().await;
        let prepared = produce::prepare(&self.server, correlation_id, version, frame, body_at);
        let mut prepared =
            prepared.map_err(|error| CloseReason::Malformed(ApiKey::Produce, version, error))?;
        if prepared.wants_recompression() {
            prepared.recompress().await;
            self.server.shard.room_to_append().await;
        }
        match prepared.append(&self.server, &self.info) {
            Begun::Pending(pending) => self.pipeline.push(pending),
            Begun::NoAnswer => {}
            Begun::UnansweredFailure => return Err(CloseReason::UnansweredProduceFailed),
        }
        Ok(())
    }

    /// The result of a request's handler. One that waits when the peer has gone is dropped, as what it waits for may be long in
    /// coming; what it has asked others to do is done all the same.
    async fn while_connected<T>(&self, handler: impl Future<Output = T>) -> Result<T, CloseReason> {
        let mut handler = pin!(handler);
        loop {
            match rt::timeout(PEER_CHECK_INTERVAL, handler.as_mut()).await {
                Ok(result) => return Ok(result),
                Err(_) if self.sender.peer_has_closed() => return Err(CloseReason::PeerGone),
                Err(_) => {}
            }
        }
    }

    /// Waits until all requests so far have been answered.
    async fn answered(&self) -> Result<(), CloseReason> {
        if self.pipeline.drained().await {
            Ok(())
        } else {
            Err(CloseReason::Send(io::ErrorKind::BrokenPipe.into()))
        }
    }

    async fn answer(
        &self,
        frame: Result<BytesMut, EncodeError>,
        api: ApiKey,
        version: i16,
    ) -> Result<(), CloseReason> {
        let frame = frame.map_err(|error| CloseReason::Unanswerable(api, version, error))?;
        self.sender
            .send(&[IoSlice::new(&frame)])
            .await
            .map_err(CloseReason::Send)
    }
}
