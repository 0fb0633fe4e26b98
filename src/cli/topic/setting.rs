//! A setting on the command line.

/// `name=value`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Setting {
    pub name: String,
    pub value: String,
}

/// Reads `name=value`; the value may be empty and may contain `=`.
pub fn parse_setting(text: &str) -> Result<Setting, String> {
    match text.split_once('=') {
        Some((name, value)) if !name.trim().is_empty() => Ok(Setting {
            name: name.trim().to_owned(),
            value: value.to_owned(),
        }),
        _ => Err("write it as name=value, for example retention.ms=86400000".to_owned()),
    }
}

/// What DescribeConfigs and IncrementalAlterConfigs call a topic.
pub const TOPIC_RESOURCE: i8 = 2;
