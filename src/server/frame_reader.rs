//! Hot path: produce, step 1; fetch, step 1. Cuts a connection's bytes into request frames.
//!
//! Small frames are slices of one shared receive buffer. A large frame gets a buffer of its own size and is received
//! straight into it, so its records are never copied before the disk buffer. A buffer grows no faster than bytes
//! arrive, and what is beyond a small frame is asked of the shard's memory budget first: a length alone reserves nothing.

use std::io;
use std::rc::Rc;
use std::time::Duration;

use bytes::{Buf, BytesMut};

use crate::rt;
use crate::rt::net::Stream;
use crate::rt::sync::{Budget, Permit};

/// Size of the shared receive buffer, in bytes. Measured to be past the knee for small requests; also
/// what each idle connection may hold, so it decides the cost of having many of them.
const RECEIVE_BUFFER_BYTES: usize = 64 * 1024;

/// How much a new connection reserves before it has sent anything: enough for the first handshakes.
const FIRST_BUFFER_BYTES: usize = 4 * 1024;

/// First buffer of a large frame, in bytes; it doubles as bytes arrive. A guess: the batches that producers
/// send at full speed fit, and a peer that lies about its length costs one of these.
const LARGE_FRAME_FIRST_BYTES: usize = 1024 * 1024 + 64 * 1024;

/// How long a peer may take between two pieces of one frame. A frame that is under way holds budget,
/// which a stalled peer must not keep.
const FRAME_STALL: Duration = Duration::from_secs(30);

/// Bytes of the length in front of each frame.
const LENGTH_BYTES: usize = 4;

/// Why no frame came.
#[derive(Debug)]
pub enum FrameError {
    /// The length is negative, too small for a header, or above the limit.
    BadLength(i32),
    /// The connection ended inside a frame.
    Truncated,
    /// The peer stalled inside a frame.
    Stalled,
    /// The socket failed.
    Io(io::Error),
}

/// A request's bytes, without the length in front.
pub struct Frame {
    /// The bytes. No other handle to them exists, so that batches can be changed in place.
    pub bytes: BytesMut,
    /// Its shares of the memory budget; none if it is small.
    pub permits: Vec<Permit>,
}

/// The receiving side of a connection.
pub struct FrameReader {
    stream: Rc<Stream>,
    buffer: BytesMut,
    budget: Budget,
    max_frame_bytes: usize,
}

impl FrameReader {
    /// A reader of frames up to `max_frame_bytes`.
    pub fn new(stream: Rc<Stream>, budget: Budget, max_frame_bytes: usize) -> FrameReader {
        FrameReader {
            stream,
            buffer: BytesMut::new(),
            budget,
            max_frame_bytes,
        }
    }

    /// The next frame, if all of it has been received already.
    pub fn buffered(&mut self) -> Result<Option<Frame>, FrameError> {
        match self.length()? {
            Some(length) if self.buffer.len() >= LENGTH_BYTES + length => Ok(Some(self.cut(length))),
            _ => Ok(None),
        }
    }

    /// The next frame; `None` when the peer has closed the connection between two frames.
    pub async fn next(&mut self) -> Result<Option<Frame>, FrameError> {
        loop {
            match self.length()? {
                Some(length) if self.buffer.len() >= LENGTH_BYTES + length => {
                    return Ok(Some(self.cut(length)));
                }
                Some(length) if LENGTH_BYTES + length > RECEIVE_BUFFER_BYTES => {
                    return self.large(length).await.map(Some);
                }
                _ => {}
            }
            if !self.receive_more().await? {
                return if self.buffer.is_empty() {
                    Ok(None)
                } else {
                    Err(FrameError::Truncated)
                };
            }
        }
    }

    /// The length of the frame at the start of the buffer, once it is there.
    fn length(&self) -> Result<Option<usize>, FrameError> {
        let Some(prefix) = self.buffer.first_chunk::<LENGTH_BYTES>() else {
            return Ok(None);
        };
        let length = i32::from_be_bytes(*prefix);
        match usize::try_from(length) {
            Ok(value) if value <= self.max_frame_bytes => Ok(Some(value)),
            _ => Err(FrameError::BadLength(length)),
        }
    }

    fn cut(&mut self, length: usize) -> Frame {
        self.buffer.advance(LENGTH_BYTES);
        Frame {
            bytes: self.buffer.split_to(length),
            permits: Vec::new(),
        }
    }

    /// Receives a frame that does not fit the shared buffer into a buffer of its own.
    async fn large(&mut self, length: usize) -> Result<Frame, FrameError> {
        self.buffer.advance(LENGTH_BYTES);
        let mut size = length.min(LARGE_FRAME_FIRST_BYTES);
        let mut permits = vec![self.budget.take(size).await];
        let mut bytes = BytesMut::with_capacity(size);
        bytes.extend_from_slice(&self.buffer);
        self.buffer.clear();
        while bytes.len() < length {
            if bytes.len() == bytes.capacity() {
                let more = size.min(length - size);
                permits.push(self.budget.take(more).await);
                size += more;
                bytes.reserve(size - bytes.len());
            }
            if stalling(self.stream.read_buf(&mut bytes)).await? == 0 {
                return Err(FrameError::Truncated);
            }
        }
        // A buffer may come out larger than asked for; then the next frame has begun to arrive in it.
        self.buffer.unsplit(bytes.split_off(length));
        Ok(Frame { bytes, permits })
    }

    async fn receive_more(&mut self) -> Result<bool, FrameError> {
        let free = self.buffer.capacity() - self.buffer.len();
        if self.buffer.capacity() == 0 {
            self.buffer.reserve(FIRST_BUFFER_BYTES);
        } else if free < RECEIVE_BUFFER_BYTES / 16 {
            self.buffer.reserve(RECEIVE_BUFFER_BYTES);
        }
        let inside_frame = !self.buffer.is_empty();
        let receive = self.stream.read_buf(&mut self.buffer);
        let received = if inside_frame {
            stalling(receive).await?
        } else {
            receive.await.map_err(FrameError::Io)?
        };
        Ok(received > 0)
    }
}

/// Waits for a piece of a frame that is under way.
async fn stalling(receive: impl Future<Output = io::Result<usize>>) -> Result<usize, FrameError> {
    match rt::timeout(FRAME_STALL, receive).await {
        Ok(received) => received.map_err(FrameError::Io),
        Err(_) => Err(FrameError::Stalled),
    }
}
