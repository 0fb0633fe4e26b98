//! Which names topics may have: Kafka's rules.

use crate::metadata::command_error::{CommandError, CommandErrorKind};

/// Longest name. 249 and not 255, because a directory is named for the topic, a dash and the partition.
pub const MAX_TOPIC_NAME_BYTES: usize = 249;

/// Checks a name.
pub fn check_topic_name(name: &str) -> Result<(), CommandError> {
    let refuse = |message: String| Err(CommandError::new(CommandErrorKind::InvalidTopicName, message));
    if name.is_empty() {
        return refuse("the name of a topic can't be empty".to_string());
    }
    if name == "." || name == ".." {
        return refuse("a topic can't be named '.' or '..'".to_string());
    }
    // The metadata topic of Kafka's own controllers; tools expect it to be refused.
    if name == "__cluster_metadata" {
        return refuse("the topic name '__cluster_metadata' is reserved".to_string());
    }
    if name.len() > MAX_TOPIC_NAME_BYTES {
        return refuse(format!(
            "the name of a topic may have {MAX_TOPIC_NAME_BYTES} characters, this one has {}",
            name.chars().count()
        ));
    }
    if !is_spelled_right(name) {
        return refuse(format!(
            "'{name}' is no name for a topic: ASCII letters, digits, '.', '_' and '-' are allowed"
        ));
    }
    Ok(())
}

/// Whether a name could be a topic's; what can't is not worth a look-up.
pub fn is_valid_topic_name(name: &str) -> bool {
    check_topic_name(name).is_ok()
}

fn is_spelled_right(name: &str) -> bool {
    name.bytes()
        .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names() {
        for good in ["a", "A-b_c.9", "...", &"x".repeat(249), "__consumer_offsets"] {
            assert!(is_valid_topic_name(good), "{good}");
        }
        for bad in [
            "",
            ".",
            "..",
            "a b",
            "a/b",
            "ä",
            "a:b",
            &"x".repeat(250),
            "a\0",
            "__cluster_metadata",
        ] {
            assert!(!is_valid_topic_name(bad), "{bad}");
        }
    }
}
