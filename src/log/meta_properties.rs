//! Kafka's `meta.properties`: whose a data directory is, and which of theirs.

use crate::base::ids::DirectoryId;

/// Which directory it is, and of which server in which cluster.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MetaProperties {
    /// The cluster.
    pub cluster_id: String,
    /// The server. Kafka calls it a node; here each shard of a server is one.
    pub server_id: i32,
    /// The directory: it keeps its id wherever it is mounted.
    pub directory_id: DirectoryId,
}

/// A `meta.properties` that can't be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MalformedMetaProperties;

impl MetaProperties {
    /// Renders the file.
    pub fn encode(&self) -> Vec<u8> {
        format!(
            "version=1\ncluster.id={}\nnode.id={}\ndirectory.id={}\n",
            self.cluster_id, self.server_id, self.directory_id
        )
        .into_bytes()
    }

    /// Reads the file. Lines with other keys are left out, as in Java's properties.
    pub fn parse(bytes: &[u8]) -> Result<MetaProperties, MalformedMetaProperties> {
        let text = std::str::from_utf8(bytes).map_err(|_| MalformedMetaProperties)?;
        let value = |key: &str| {
            let mut lines = text.lines().filter_map(|line| line.trim().split_once('='));
            lines
                .find(|(name, _)| *name == key)
                .map(|(_, value)| value)
                .ok_or(MalformedMetaProperties)
        };
        let directory_id = DirectoryId::parse(value("directory.id")?);
        Ok(MetaProperties {
            cluster_id: value("cluster.id")?.to_string(),
            server_id: value("node.id")?.parse().map_err(|_| MalformedMetaProperties)?,
            directory_id: directory_id
                .filter(|id| *id != DirectoryId::HOME)
                .ok_or(MalformedMetaProperties)?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn golden_and_kafkas() {
        let own = MetaProperties {
            cluster_id: "abc".to_string(),
            server_id: 7,
            directory_id: DirectoryId(std::array::from_fn(|i| i as u8)),
        };
        let text = "version=1\ncluster.id=abc\nnode.id=7\ndirectory.id=AAECAwQFBgcICQoLDA0ODw\n";
        assert_eq!(own.encode(), text.as_bytes());
        assert_eq!(MetaProperties::parse(text.as_bytes()), Ok(own.clone()));
        let kafkas = "#\n#Sat Nov 21 10:00:00 UTC 2026\nnode.id=7\ndirectory.id=AAECAwQFBgcICQoLDA0ODw\nversion=1\ncluster.id=abc\n";
        assert_eq!(MetaProperties::parse(kafkas.as_bytes()), Ok(own));
        for bad in [
            "",
            "version=1\ncluster.id=abc\nnode.id=7\n",
            "cluster.id=abc\nnode.id=x\ndirectory.id=AAECAwQFBgcICQoLDA0ODw\n",
            "cluster.id=abc\nnode.id=7\ndirectory.id=AAAAAAAAAAAAAAAAAAAAAA\n",
        ] {
            assert_eq!(
                MetaProperties::parse(bad.as_bytes()),
                Err(MalformedMetaProperties),
                "{bad}"
            );
        }
    }
}
