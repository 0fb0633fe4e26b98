//! The shards as the control thread starts them, and the steps of the server's life that need its other parts.

use std::io::{self, Write};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use super::start_message::StartMessage;
use crate::base::ids::{NodeId, ShardId};
use crate::control::{LaneStart, Lanes};
use crate::log::DataDir;
use crate::metadata::{ClusterImage, TopicRemains};
use crate::rt::net::BoundListener;
use crate::rt::{self, RuntimeUnavailable, ShardThread};
use crate::server::run_shard;
use crate::shard::ShardStart;

/// What the shards are made of.
pub struct ServerLanes {
    /// The directory of all partitions.
    pub data_dir: Arc<DataDir>,
    /// Per shard, the CPU it is pinned to.
    pub cpus: Vec<Option<usize>>,
    /// Per shard, its listeners; taken out as the shards are started.
    pub listeners: Vec<Vec<BoundListener>>,
    /// Per address, the port of shard 0.
    pub bases: Vec<SocketAddr>,
    /// All addresses.
    pub addresses: Vec<SocketAddr>,
}

impl Lanes for ServerLanes {
    fn clear_away(&mut self, deleted: &[TopicRemains]) -> Result<(), String> {
        let topics = deleted
            .iter()
            .map(|topic| (topic.id, &*topic.name, topic.partitions));
        let cleared = self.data_dir.clear_away(topics);
        cleared.map_err(|error| error.to_string())
    }

    fn start(&mut self, start: LaneStart) -> Result<ShardThread, RuntimeUnavailable> {
        let nth = usize::from(start.id.0);
        let data_dir = self.data_dir.clone();
        let listeners = std::mem::take(&mut self.listeners[nth]);
        rt::spawn_shard(format!("shard-{}", start.id), self.cpus[nth], move || {
            let LaneStart {
                id,
                image,
                inbox,
                control,
            } = start;
            run_shard(ShardStart {
                id,
                image,
                data_dir,
                inbox,
                control,
                listeners,
            })
        })
    }

    fn all_recovered(&mut self) -> Result<(), String> {
        let removed = self.data_dir.remove_recovered_wals();
        removed.map_err(|error| error.to_string())
    }

    fn all_serving(&mut self, image: &ClusterImage) {
        let settings = image.settings(NodeId::of(image.server().server_id, ShardId(0)));
        let path: PathBuf = self.data_dir.path().to_path_buf();
        let message = StartMessage::new(self.bases.clone(), path, &settings, image);
        // Whoever started the server may have closed either; it serves all the same.
        let _ = writeln!(io::stderr(), "{message}");
        let mut ready = "ready".to_string();
        for address in &self.addresses {
            ready.push(' ');
            ready.push_str(&address.to_string());
        }
        let mut stdout = io::stdout();
        let _ = writeln!(stdout, "{ready}").and_then(|()| stdout.flush());
    }

    fn all_stopped(&mut self) -> Result<(), String> {
        let marked = self.data_dir.mark_clean_shutdown();
        marked.map_err(|error| error.to_string())
    }
}
