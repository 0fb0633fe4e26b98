//! What stands in front of every request and every response.

use super::api::ApiKey;
use super::codec::{DecodeError, EncodeError, Reader, Writer};

/// The header of a request: version 1, or version 2 with tagged fields where the request is flexible.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RequestHeader {
    /// What is asked for.
    pub api_key: ApiKey,
    /// Version of the request, and of its answer.
    pub api_version: i16,
    /// Chosen by the client, and repeated in the answer.
    pub correlation_id: i32,
    /// What the client calls itself.
    pub client_id: Option<String>,
}

/// A request's header as it lies in the frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RequestHeaderView<'a> {
    /// The number of the API, which may be one that nobody knows.
    pub api_key: i16,
    /// Version of the request.
    pub api_version: i16,
    /// Chosen by the client, and repeated in the answer.
    pub correlation_id: i32,
    /// What the client calls itself.
    pub client_id: Option<&'a str>,
}

impl<'a> RequestHeaderView<'a> {
    /// Reads a header. Of an API or a version that is not known only the numbers are read, since what follows
    /// cannot be told apart; `client_id` is `None` then. The numbers are all it takes to answer an ApiVersions
    /// request of a client that is too new (KIP-511).
    pub fn read(r: &mut Reader<'a>) -> Result<RequestHeaderView<'a>, DecodeError> {
        let mut header = RequestHeaderView {
            api_key: r.i16()?,
            api_version: r.i16()?,
            correlation_id: r.i32()?,
            client_id: None,
        };
        if let Some(api) = header.known_api() {
            // The client id keeps its two-byte length in every version of the header.
            header.client_id = r.nullable_str(false)?;
            if api.is_flexible(header.api_version) {
                r.skip_tag_section()?;
            }
        }
        Ok(header)
    }

    /// The API, if both it and the version are known.
    pub fn known_api(&self) -> Option<ApiKey> {
        ApiKey::from_key(self.api_key).filter(|api| api.versions().contains(self.api_version))
    }
}

impl RequestHeader {
    /// Writes the header.
    pub fn write(&self, w: &mut Writer) -> Result<(), EncodeError> {
        w.i16(self.api_key.key());
        w.i16(self.api_version);
        w.i32(self.correlation_id);
        w.nullable_str(self.client_id.as_deref(), false)?;
        if self.api_key.is_flexible(self.api_version) {
            w.unsigned_varint(0);
        }
        Ok(())
    }
}

/// Whether the header of a response has tagged fields (version 1). ApiVersions' never has, so that a client can
/// read it before it knows what the broker speaks (KIP-511).
pub const fn response_header_is_flexible(api: ApiKey, version: i16) -> bool {
    !matches!(api, ApiKey::ApiVersions) && api.is_flexible(version)
}

/// Writes the header of a response.
pub fn write_response_header(w: &mut Writer, api: ApiKey, version: i16, correlation_id: i32) {
    w.i32(correlation_id);
    if response_header_is_flexible(api, version) {
        w.unsigned_varint(0);
    }
}

/// Reads the header of a response, and gives its correlation id.
pub fn read_response_header(r: &mut Reader<'_>, api: ApiKey, version: i16) -> Result<i32, DecodeError> {
    let correlation_id = r.i32()?;
    if response_header_is_flexible(api, version) {
        r.skip_tag_section()?;
    }
    Ok(correlation_id)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_come_back() {
        for api in ApiKey::ALL {
            for version in api.versions().iter() {
                for client_id in [None, Some(String::new()), Some("rdkafka".to_owned())] {
                    let header = RequestHeader {
                        api_key: *api,
                        api_version: version,
                        correlation_id: 0x0102_0304,
                        client_id,
                    };
                    let mut w = Writer::new();
                    header.write(&mut w).unwrap();
                    let mut r = Reader::of_slice(w.written());
                    let view = RequestHeaderView::read(&mut r).unwrap();
                    assert_eq!(r.remaining(), 0);
                    assert_eq!(view.known_api(), Some(*api));
                    assert_eq!(view.api_version, version);
                    assert_eq!(view.correlation_id, 0x0102_0304);
                    assert_eq!(view.client_id, header.client_id.as_deref());
                }
            }
        }
    }

    #[test]
    fn an_unknown_api_or_version_still_has_its_numbers() {
        for (key, version) in [(4, 0), (18, 99), (3, -1), (999, 7)] {
            let mut w = Writer::new();
            w.i16(key);
            w.i16(version);
            w.i32(42);
            let view = RequestHeaderView::read(&mut Reader::of_slice(w.written())).unwrap();
            assert_eq!(
                (view.api_key, view.api_version, view.correlation_id),
                (key, version, 42)
            );
            assert_eq!(view.known_api(), None);
        }
    }

    #[test]
    fn the_header_of_an_api_versions_response_is_never_flexible() {
        assert!(ApiKey::ApiVersions.is_flexible(3));
        assert!(!response_header_is_flexible(ApiKey::ApiVersions, 3));
        assert!(response_header_is_flexible(ApiKey::Metadata, 9));
        assert!(!response_header_is_flexible(ApiKey::Metadata, 8));
    }
}
