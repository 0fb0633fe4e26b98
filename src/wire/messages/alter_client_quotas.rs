//! AlterClientQuotas (key 49): changes client quotas.

use crate::wire::codec::messages;

messages! {
    api AlterClientQuotas(AlterClientQuotasRequest, AlterClientQuotasResponse), versions 0-1, flexible 1+;

    struct AlterClientQuotasRequest {
        entries: Vec<AlterClientQuotasRequestEntryData>, 0+;
        validate_only: bool, 0+;
    }

    struct AlterClientQuotasRequestEntryData {
        entity: Vec<AlterClientQuotasRequestEntityData>, 0+;
        ops: Vec<OpData>, 0+;
    }

    struct AlterClientQuotasRequestEntityData {
        entity_type: String, 0+;
        entity_name: Option<String>, 0+, nullable 0+;
    }

    struct OpData {
        key: String, 0+;
        value: f64, 0+;
        remove: bool, 0+;
    }

    struct AlterClientQuotasResponse {
        throttle_time_ms: i32, 0+;
        entries: Vec<AlterClientQuotasResponseEntryData>, 0+;
    }

    struct AlterClientQuotasResponseEntryData {
        error_code: i16, 0+;
        error_message: Option<String>, 0+, nullable 0+;
        entity: Vec<AlterClientQuotasResponseEntityData>, 0+;
    }

    struct AlterClientQuotasResponseEntityData {
        entity_type: String, 0+;
        entity_name: Option<String>, 0+, nullable 0+;
    }
}
