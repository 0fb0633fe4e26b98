//! Whole frames: four bytes of length, a header, a message.

use bytes::{Bytes, BytesMut};

use super::codec::{EncodeError, Request, Response, Writer};
use super::header::{RequestHeader, write_response_header};

/// Bytes of the length in front of every frame.
pub const LENGTH_BYTES: usize = 4;

/// Room a frame has at first. A guess: most requests and answers fit, so that writing one asks for memory once.
const FIRST_BYTES: usize = 512;

/// The frame of a request, length included.
pub fn request_frame<R: Request>(
    request: &R,
    version: i16,
    correlation_id: i32,
    client_id: Option<&str>,
) -> Result<Bytes, EncodeError> {
    let mut w = Writer::with_capacity(FIRST_BYTES);
    w.i32(0);
    RequestHeader {
        api_key: R::API,
        api_version: version,
        correlation_id,
        client_id: client_id.map(str::to_owned),
    }
    .write(&mut w)?;
    request.encode(&mut w, version)?;
    Ok(with_length(w)?.freeze())
}

/// The frame of a response, length included.
pub fn response_frame<R: Response>(
    response: &R,
    version: i16,
    correlation_id: i32,
) -> Result<BytesMut, EncodeError> {
    let mut w = Writer::with_capacity(FIRST_BYTES);
    w.i32(0);
    write_response_header(&mut w, R::API, version, correlation_id);
    response.encode(&mut w, version)?;
    with_length(w)
}

/// Puts the frame's length in the place left for it at the front.
fn with_length(mut w: Writer) -> Result<BytesMut, EncodeError> {
    let length = w.position() - LENGTH_BYTES;
    let length = i32::try_from(length).map_err(|_| EncodeError::TooLong(length))?;
    w.written_mut()[..LENGTH_BYTES].copy_from_slice(&length.to_be_bytes());
    Ok(w.into_inner())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::api::ApiKey;
    use crate::wire::codec::{Message, Reader};
    use crate::wire::header::{RequestHeaderView, read_response_header};
    use crate::wire::messages::{HeartbeatRequest, HeartbeatResponse};

    #[test]
    fn frames_come_back() {
        let request = HeartbeatRequest {
            group_id: "g".to_owned(),
            generation_id: 3,
            ..HeartbeatRequest::default()
        };
        let frame = request_frame(&request, 4, 77, Some("me")).unwrap();
        let mut r = Reader::of_slice(&frame);
        assert_eq!(r.i32().unwrap() as usize, r.remaining());
        let header = RequestHeaderView::read(&mut r).unwrap();
        assert_eq!(header.known_api(), Some(ApiKey::Heartbeat));
        assert_eq!(header.client_id, Some("me"));
        assert_eq!(HeartbeatRequest::decode(&mut r, 4), Ok(request));
        assert_eq!(r.finish(), Ok(()));

        let response = HeartbeatResponse {
            error_code: 27,
            ..HeartbeatResponse::default()
        };
        let frame = response_frame(&response, 4, 77).unwrap();
        let mut r = Reader::of_slice(&frame);
        assert_eq!(r.i32().unwrap() as usize, r.remaining());
        assert_eq!(read_response_header(&mut r, ApiKey::Heartbeat, 4), Ok(77));
        assert_eq!(HeartbeatResponse::decode(&mut r, 4), Ok(response));
    }
}
