//! The name of a codec.

use std::fmt;
use std::str::FromStr;

use super::super::BatchError;

/// How the records of a batch are compressed. The ids and names are Kafka's.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Compression {
    /// Not at all.
    #[default]
    None,
    /// gzip (RFC 1952).
    Gzip,
    /// Snappy blocks in the framing of the `snappy-java` library.
    Snappy,
    /// LZ4 frames of independent blocks.
    Lz4,
    /// Zstandard (RFC 8878, KIP-110).
    Zstd,
}

impl Compression {
    /// All codecs, in the order of their ids.
    pub const ALL: [Compression; 5] = [
        Compression::None,
        Compression::Gzip,
        Compression::Snappy,
        Compression::Lz4,
        Compression::Zstd,
    ];

    /// The codec with that id. Error: `UnknownCompression`.
    pub fn from_id(id: u8) -> Result<Compression, BatchError> {
        Compression::ALL
            .get(usize::from(id))
            .copied()
            .ok_or(BatchError::UnknownCompression { id })
    }

    /// The id in a batch's attributes.
    pub fn id(self) -> u8 {
        self as u8
    }

    /// Kafka's name in configurations.
    pub fn name(self) -> &'static str {
        match self {
            Compression::None => "none",
            Compression::Gzip => "gzip",
            Compression::Snappy => "snappy",
            Compression::Lz4 => "lz4",
            Compression::Zstd => "zstd",
        }
    }

    /// Whether nothing is compressed.
    pub fn is_none(self) -> bool {
        self == Compression::None
    }
}

impl fmt::Display for Compression {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Compression {
    type Err = String;

    fn from_str(name: &str) -> Result<Compression, String> {
        let found = Compression::ALL.into_iter().find(|codec| codec.name() == name);
        found.ok_or_else(|| format!("unknown compression {name:?}: one of none, gzip, snappy, lz4, zstd"))
    }
}
