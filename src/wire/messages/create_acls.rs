//! CreateAcls (key 30): adds access control entries.

use crate::wire::codec::messages;

messages! {
    api CreateAcls(CreateAclsRequest, CreateAclsResponse), versions 1-3, flexible 2+;

    struct CreateAclsRequest {
        creations: Vec<AclCreation>, 0+;
    }

    struct AclCreation {
        resource_type: i8, 0+;
        resource_name: String, 0+;
        resource_pattern_type: i8, 1+, default 3;
        principal: String, 0+;
        host: String, 0+;
        operation: i8, 0+;
        permission_type: i8, 0+;
    }

    struct CreateAclsResponse {
        throttle_time_ms: i32, 0+;
        results: Vec<AclCreationResult>, 0+;
    }

    struct AclCreationResult {
        error_code: i16, 0+;
        error_message: Option<String>, 0+, nullable 0+;
    }
}
