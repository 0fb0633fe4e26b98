//! Newtypes for ids and positions, so that an offset, a node and an epoch never mix.

use std::fmt;

macro_rules! number {
    ($(#[$doc:meta])* $name:ident($inner:ty)) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(pub $inner);

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }
    };
}

number! {
    /// What a Kafka client sees as a broker: `server_id * 1000 + shard`.
    NodeId(i32)
}
number! {
    /// One core's share of a server, counted from 0.
    ShardId(u16)
}
number! {
    /// Position of a record in its partition.
    Offset(i64)
}
number! {
    /// Rises with each change of a partition's leadership. -1 is "unknown".
    LeaderEpoch(i32)
}
number! {
    /// Identity of an idempotent or transactional producer. -1 is "none".
    ProducerId(i64)
}
number! {
    /// Generation of a producer id. -1 is "none".
    ProducerEpoch(i16)
}

/// How many nodes one server can be: the factor between a server id and its node ids.
pub const NODES_PER_SERVER: i32 = 1000;

impl NodeId {
    /// The node a shard of a server is seen as.
    pub fn of(server_id: i32, shard: ShardId) -> NodeId {
        assert!(i32::from(shard.0) < NODES_PER_SERVER);
        NodeId(server_id * NODES_PER_SERVER + i32::from(shard.0))
    }

    /// The shard behind a node of the server.
    pub fn shard(self) -> ShardId {
        ShardId((self.0 % NODES_PER_SERVER) as u16)
    }
}

impl Offset {
    /// The first offset of a partition.
    pub const ZERO: Offset = Offset(0);

    /// The offset `count` records further on.
    #[must_use]
    pub fn plus(self, count: i64) -> Offset {
        Offset(self.0 + count)
    }
}

/// Kafka's topic id: a random UUID, written as 22 characters of URL-safe base64 (KIP-516).
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TopicId(pub [u8; 16]);

const BASE64_URL: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

impl TopicId {
    /// The id that means "no id" on the wire.
    pub const ZERO: TopicId = TopicId([0; 16]);

    /// Makes a version 4 UUID of 16 random bytes.
    pub fn from_random(mut bytes: [u8; 16]) -> TopicId {
        bytes[6] = (bytes[6] & 0x0f) | 0x40;
        bytes[8] = (bytes[8] & 0x3f) | 0x80;
        TopicId(bytes)
    }

    /// Reads the 22 character form. `None` for anything else.
    pub fn parse(text: &str) -> Option<TopicId> {
        let text = text.as_bytes();
        if text.len() != 22 {
            return None;
        }
        let mut bits: u128 = 0;
        for (i, c) in text.iter().enumerate() {
            let value = BASE64_URL.iter().position(|b| b == c)? as u128;
            if i < 21 {
                bits = (bits << 6) | value;
            } else if value & 0x0f != 0 {
                return None;
            } else {
                bits = (bits << 2) | (value >> 4);
            }
        }
        Some(TopicId(bits.to_be_bytes()))
    }
}

impl fmt::Display for TopicId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let bits = u128::from_be_bytes(self.0);
        let mut text = [0u8; 22];
        for (i, c) in text.iter_mut().enumerate() {
            let six = if i < 21 { bits >> (122 - 6 * i) } else { bits << 4 };
            *c = BASE64_URL[(six & 0x3f) as usize];
        }
        f.write_str(std::str::from_utf8(&text).expect("base64 is ASCII"))
    }
}

impl fmt::Debug for TopicId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// A data directory of a server, as its `meta.properties` has it: a random UUID in the same form (KIP-858).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DirectoryId(pub [u8; 16]);

impl DirectoryId {
    /// The directory that holds the metadata, whatever its id is. Whoever reads the metadata knows where that is.
    pub const HOME: DirectoryId = DirectoryId([0; 16]);

    /// Reads the 22 character form. `None` for anything else.
    pub fn parse(text: &str) -> Option<DirectoryId> {
        TopicId::parse(text).map(|id| DirectoryId(id.0))
    }
}

impl fmt::Display for DirectoryId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&TopicId(self.0), f)
    }
}

/// A partition, by the id of its topic.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TopicPartition {
    /// The topic.
    pub topic: TopicId,
    /// Index of the partition in its topic, from 0.
    pub partition: i32,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn topic_id_text_is_kafkas() {
        // What `java.util.Base64.getUrlEncoder().withoutPadding()` gives for the bytes 0..16.
        let id = TopicId(std::array::from_fn(|i| i as u8));
        assert_eq!(id.to_string(), "AAECAwQFBgcICQoLDA0ODw");
        assert_eq!(TopicId::parse(&id.to_string()), Some(id));
        let all = TopicId([0xff; 16]);
        assert_eq!(TopicId::parse(&all.to_string()), Some(all));
        assert_eq!(TopicId::parse("AAECAwQFBgcICQoLDA0OD"), None);
        assert_eq!(TopicId::parse("AAECAwQFBgcICQoLDA0OD!"), None);
        assert_eq!(
            TopicId::parse("AAECAwQFBgcICQoLDA0ODx"),
            None,
            "bits behind the last byte"
        );
    }

    #[test]
    fn node_ids_carry_the_shard() {
        let node = NodeId::of(7, ShardId(3));
        assert_eq!(node, NodeId(7003));
        assert_eq!(node.shard(), ShardId(3));
    }
}
