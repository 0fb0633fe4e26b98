//! ApiVersions (key 18), versions 0 to 5: what this node serves.
//!
//! - Lists every API that has a handler, with the versions whose handling is complete.
//! - Produce is listed from version 0 on, though only 3 and up are served: librdkafka takes a broker without Produce 0 for
//!   one that it can't use at all (KAFKA-18659). Apache Kafka does the same.
//! - v0 to v2 are the same but for the throttle time. The header of the answer is version 0 in all versions.
//! - v3 (KIP-511): the client says its name and version; an ill-formed one is INVALID_REQUEST.
//! - v4: features may start at version 0. There are none to tell, see below.
//! - v5 (KIP-1242): the client says which cluster and node it means to talk to; REBOOTSTRAP_REQUIRED if it is wrong.
//! - A version that is not known is answered with a version 0 body: UNSUPPORTED_VERSION, and the versions of ApiVersions
//!   itself, so that the client can choose.
//!
//! Not done: features. `transaction.version`, `group.version` and the like say which of Kafka's newer protocols are
//! switched on, and none of these is served yet.

use super::SERVED;
use crate::server::context::RequestContext;
use crate::wire::api::ApiKey;
use crate::wire::errors::ErrorCode;
use crate::wire::messages::api_versions::ApiVersion;
use crate::wire::messages::{ApiVersionsRequest, ApiVersionsResponse};

/// The first version in which a client says what it is.
const FIRST_WITH_SOFTWARE: i16 = 3;

/// Answers what is served.
pub async fn handle(cx: &RequestContext, request: ApiVersionsRequest) -> ApiVersionsResponse {
    if cx.api_version >= FIRST_WITH_SOFTWARE
        && !(is_software_name(&request.client_software_name) && is_software_name(&request.client_software_version))
    {
        return refused(ErrorCode::InvalidRequest);
    }
    if is_misrouted(cx, &request) {
        return refused(ErrorCode::RebootstrapRequired);
    }
    ApiVersionsResponse {
        api_keys: SERVED.iter().map(|api| advertised(*api)).collect(),
        ..ApiVersionsResponse::default()
    }
}

/// What to answer, in version 0, to a version of ApiVersions that is not known.
pub fn unsupported_version() -> ApiVersionsResponse {
    ApiVersionsResponse {
        api_keys: vec![advertised(ApiKey::ApiVersions)],
        ..refused(ErrorCode::UnsupportedVersion)
    }
}

fn refused(error: ErrorCode) -> ApiVersionsResponse {
    ApiVersionsResponse { error_code: error.code(), ..ApiVersionsResponse::default() }
}

fn advertised(api: ApiKey) -> ApiVersion {
    let first = match api {
        ApiKey::Produce => 0,
        _ => api.versions().first,
    };
    ApiVersion { api_key: api.key(), min_version: first, max_version: api.last_stable_version() }
}

fn is_misrouted(cx: &RequestContext, request: &ApiVersionsRequest) -> bool {
    let image = cx.shard().image();
    let other_cluster = request.cluster_id.as_deref().is_some_and(|id| id != &**image.cluster_id());
    // -1 is a client that only knows an address so far.
    let other_node = request.node_id >= 0 && request.node_id != cx.shard().node_id.0;
    other_cluster || other_node
}

/// Letters, digits, dots and dashes, with a letter or digit at either end.
fn is_software_name(text: &str) -> bool {
    let (Some(first), Some(last)) = (text.bytes().next(), text.bytes().last()) else {
        return false;
    };
    first.is_ascii_alphanumeric()
        && last.is_ascii_alphanumeric()
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn software_names() {
        for good in ["a", "librdkafka", "apache-kafka-java", "4.3.0", "1-x.y"] {
            assert!(is_software_name(good), "{good}");
        }
        for bad in ["", "a b", "-a", "a-", ".", "a_b", "ä"] {
            assert!(!is_software_name(bad), "{bad}");
        }
    }

    #[test]
    fn produce_is_listed_from_version_0() {
        assert_eq!(advertised(ApiKey::Produce).min_version, 0);
        assert_eq!(advertised(ApiKey::Fetch).min_version, 4);
        assert_eq!(advertised(ApiKey::InitProducerId).max_version, 5);
    }
}
