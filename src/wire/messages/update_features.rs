//! UpdateFeatures (key 57): changes the finalized feature levels of the cluster.

use crate::wire::codec::messages;

messages! {
    api UpdateFeatures(UpdateFeaturesRequest, UpdateFeaturesResponse), versions 0-2, flexible 0+;

    struct UpdateFeaturesRequest {
        timeout_ms: i32, 0+, default 60000;
        feature_updates: Vec<FeatureUpdateKey>, 0+;
        validate_only: bool, 1+, or refuse;
    }

    struct FeatureUpdateKey {
        feature: String, 0+;
        max_version_level: i16, 0+;
        allow_downgrade: bool, 0-0, or refuse;
        upgrade_type: i8, 1+, default 1, or refuse;
    }

    struct UpdateFeaturesResponse {
        throttle_time_ms: i32, 0+;
        error_code: i16, 0+;
        error_message: Option<String>, 0+, nullable 0+;
        results: Vec<UpdatableFeatureResult>, 0-1;
    }

    struct UpdatableFeatureResult {
        feature: String, 0+;
        error_code: i16, 0+;
        error_message: Option<String>, 0+, nullable 0+;
    }
}
