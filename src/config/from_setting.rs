//! From a checked value's text to the type the broker works with.

use crate::config::choices::{CleanupPolicy, CompressionType, Durability, TimestampType};
use crate::config::cpu_list::CpuList;
use crate::config::listen_address::ListenAddress;
use crate::config::setting_spec::split_list;

/// Types of fields in [`Settings`](crate::config::Settings) and [`TopicConfig`](crate::config::TopicConfig).
pub trait FromSetting {
    /// Reads a value that has passed [`SettingSpec::normalize`](crate::config::SettingSpec::normalize), `None`
    /// where the setting has no value.
    fn from_setting(value: Option<&str>) -> Self;
}

/// A setting without a default must be an `Option` field, and a checked value always parses.
const CHECKED: &str = "a checked value of a setting that always has one";

macro_rules! parsed {
    ($($type:ty),*) => {
        $(
            impl FromSetting for $type {
                fn from_setting(value: Option<&str>) -> $type {
                    value.expect(CHECKED).parse().expect(CHECKED)
                }
            }

            impl FromSetting for Option<$type> {
                fn from_setting(value: Option<&str>) -> Option<$type> {
                    value.map(|value| value.parse().expect(CHECKED))
                }
            }
        )*
    };
}

parsed!(bool, i32, i64, u16, u32, u64, usize, f64, String);

impl FromSetting for Durability {
    fn from_setting(value: Option<&str>) -> Durability {
        Durability::of(value.expect(CHECKED))
    }
}

impl FromSetting for CleanupPolicy {
    fn from_setting(value: Option<&str>) -> CleanupPolicy {
        CleanupPolicy::of(value.expect(CHECKED))
    }
}

impl FromSetting for CompressionType {
    fn from_setting(value: Option<&str>) -> CompressionType {
        CompressionType::of(value.expect(CHECKED))
    }
}

impl FromSetting for TimestampType {
    fn from_setting(value: Option<&str>) -> TimestampType {
        TimestampType::of(value.expect(CHECKED))
    }
}

impl FromSetting for Option<CpuList> {
    fn from_setting(value: Option<&str>) -> Option<CpuList> {
        value.map(|value| CpuList::parse(value).expect(CHECKED))
    }
}

impl FromSetting for Vec<String> {
    fn from_setting(value: Option<&str>) -> Vec<String> {
        let items = split_list(value.expect(CHECKED)).into_iter();
        items.map(str::to_string).collect()
    }
}

impl FromSetting for Vec<ListenAddress> {
    fn from_setting(value: Option<&str>) -> Vec<ListenAddress> {
        split_list(value.expect(CHECKED))
            .into_iter()
            .map(|item| ListenAddress::parse(item).expect(CHECKED))
            .collect()
    }
}
