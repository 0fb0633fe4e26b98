//! What is said when the server serves.

use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;

use crate::config::{Durability, Settings};
use crate::metadata::ClusterImage;

/// A few lines for the person who started the server.
#[derive(Clone, Debug)]
pub struct StartMessage {
    /// Per address, the port of shard 0.
    pub bases: Vec<SocketAddr>,
    /// How many shards there are.
    pub shards: u16,
    /// Where the data is, the directory with the metadata first.
    pub data_dirs: Vec<PathBuf>,
    /// When records are acknowledged.
    pub durability: Durability,
    /// The cluster's id.
    pub cluster_id: String,
    /// How many topics there are.
    pub topics: usize,
}

impl StartMessage {
    /// The message of a server that serves by this image.
    pub fn new(
        bases: Vec<SocketAddr>,
        data_dirs: Vec<PathBuf>,
        settings: &Settings,
        image: &ClusterImage,
    ) -> StartMessage {
        StartMessage {
            bases,
            shards: image.server().shards,
            data_dirs,
            durability: settings.durability,
            cluster_id: image.cluster_id().to_string(),
            topics: image.topic_count(),
        }
    }

    /// How a client on this machine reaches the server.
    fn bootstrap(&self) -> String {
        let Some(base) = self.bases.first() else {
            return String::new();
        };
        if base.ip().is_unspecified() || base.ip().is_loopback() {
            format!("localhost:{}", base.port())
        } else {
            base.to_string()
        }
    }
}

impl fmt::Display for StartMessage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let bootstrap = self.bootstrap();
        let shards = if self.shards == 1 {
            "1 shard".to_string()
        } else {
            format!("{} shards", self.shards)
        };
        writeln!(
            f,
            "Corelane {} serves Kafka clients with {shards}.",
            env!("CARGO_PKG_VERSION")
        )?;
        for (nth, base) in self.bases.iter().enumerate() {
            let label = if nth == 0 { "listens on" } else { "" };
            let last = base.port() + self.shards - 1;
            match self.shards {
                1 => writeln!(f, "  {label:<12}{base}")?,
                _ => writeln!(f, "  {label:<12}{base} to {last}, a port for each shard")?,
            }
        }
        let topics = if self.topics == 1 {
            "1 topic".to_string()
        } else {
            format!("{} topics", self.topics)
        };
        for (nth, data_dir) in self.data_dirs.iter().enumerate() {
            let data_dir = data_dir.display();
            match nth {
                0 => writeln!(
                    f,
                    "  {:<12}{data_dir} (cluster {}, {topics})",
                    "data in", self.cluster_id
                )?,
                _ => writeln!(f, "  {:<12}{data_dir}", "")?,
            }
        }
        let durability = match self.durability {
            Durability::Durable => "durable: what is acknowledged is on disk",
            Durability::Relaxed => {
                "relaxed: what is acknowledged is in memory, a crash may lose the newest of it"
            }
        };
        writeln!(f, "  {:<12}{durability}", "durability")?;
        write!(
            f,
            "  {:<12}corelane topic create hello --bootstrap {bootstrap}",
            "try next"
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_says_where_what_and_how_to_go_on() {
        let message = StartMessage {
            bases: vec!["127.0.0.1:9092".parse().unwrap(), "[::1]:9092".parse().unwrap()],
            shards: 2,
            data_dirs: vec!["/data".into(), "/more".into()],
            durability: Durability::Durable,
            cluster_id: "abc".to_string(),
            topics: 1,
        };
        let text = message.to_string();
        let expected = [
            "serves Kafka clients with 2 shards.",
            "  listens on  127.0.0.1:9092 to 9093, a port for each shard",
            "              [::1]:9092 to 9093, a port for each shard",
            "  data in     /data (cluster abc, 1 topic)",
            "              /more",
            "  durability  durable: what is acknowledged is on disk",
            "localhost:9092",
        ];
        for (line, expected) in text.lines().zip(expected) {
            assert!(line.contains(expected), "{line}");
        }
        assert_eq!(text.lines().count(), expected.len());
    }
}
