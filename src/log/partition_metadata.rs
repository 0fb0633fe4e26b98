//! Kafka's `partition.metadata`: which topic a partition directory belongs to, by id.

use crate::base::ids::TopicId;

/// A `partition.metadata` that can't be used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MalformedPartitionMetadata;

/// Renders the file.
pub fn encode(topic: TopicId) -> Vec<u8> {
    format!("version: 0\ntopic_id: {topic}").into_bytes()
}

/// Reads the file.
pub fn parse(bytes: &[u8]) -> Result<TopicId, MalformedPartitionMetadata> {
    let text = std::str::from_utf8(bytes).map_err(|_| MalformedPartitionMetadata)?;
    let mut lines = text.lines();
    if lines.next() != Some("version: 0") {
        return Err(MalformedPartitionMetadata);
    }
    let id = lines.next().and_then(|line| line.strip_prefix("topic_id: "));
    match (id.and_then(TopicId::parse), lines.next()) {
        (Some(id), None) if id != TopicId::ZERO => Ok(id),
        _ => Err(MalformedPartitionMetadata),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn golden() {
        let id = TopicId(std::array::from_fn(|i| i as u8));
        assert_eq!(encode(id), b"version: 0\ntopic_id: AAECAwQFBgcICQoLDA0ODw");
        assert_eq!(parse(&encode(id)), Ok(id));
        assert_eq!(parse(b"version: 0\ntopic_id: AAECAwQFBgcICQoLDA0ODw\n"), Ok(id));
        for bad in [
            "",
            "version: 1\ntopic_id: AAECAwQFBgcICQoLDA0ODw",
            "version: 0\n",
            "version: 0\ntopic_id: x",
        ] {
            assert_eq!(parse(bad.as_bytes()), Err(MalformedPartitionMetadata));
        }
    }
}
