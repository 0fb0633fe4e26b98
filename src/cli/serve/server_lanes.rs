//! The shards as the control thread starts them, and the steps of the server's life that need its other parts.

use std::io::{self, Write};
use std::net::SocketAddr;
use std::sync::Arc;

use super::start_message::StartMessage;
use crate::base::ids::{DirectoryId, NodeId, ShardId};
use crate::control::{LaneStart, Lanes};
use crate::log::DataDirs;
use crate::metadata::ClusterImage;
use crate::rt::net::BoundListener;
use crate::rt::{self, RuntimeUnavailable, ShardThread};
use crate::server::run_shard;
use crate::shard::{OpenFileLimits, ShardStart, take_up_directories};

/// What the shards are made of.
pub struct ServerLanes {
    /// The directories of the partitions.
    pub data_dirs: Arc<DataDirs>,
    /// Per shard, the CPU it is pinned to.
    pub cpus: Vec<Option<usize>>,
    /// Per shard, its listeners; taken out as the shards are started.
    pub listeners: Vec<Vec<BoundListener>>,
    /// How many files and connections each may have open.
    pub open_files: OpenFileLimits,
    /// Per address, the port of shard 0.
    pub bases: Vec<SocketAddr>,
    /// All addresses.
    pub addresses: Vec<SocketAddr>,
}

impl Lanes for ServerLanes {
    fn directories(&self) -> Vec<DirectoryId> {
        self.data_dirs.online_ids()
    }

    fn metadata_loaded(&mut self, image: &ClusterImage) -> Result<Vec<DirectoryId>, String> {
        take_up_directories(&self.data_dirs, image)
    }

    fn start(&mut self, start: LaneStart) -> Result<ShardThread, RuntimeUnavailable> {
        let nth = usize::from(start.id.0);
        let data_dirs = self.data_dirs.clone();
        let listeners = std::mem::take(&mut self.listeners[nth]);
        let open_files = self.open_files;
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
                data_dirs,
                inbox,
                control,
                listeners,
                open_files,
                change_log_options: |_| {},
            })
        })
    }

    fn make_room_for_metadata(&mut self) -> bool {
        self.data_dirs.make_room_for_metadata()
    }

    fn all_recovered(&mut self) -> Result<(), String> {
        let removed = self.data_dirs.remove_recovered_wals();
        removed.map_err(|error| error.to_string())
    }

    fn all_serving(&mut self, image: &ClusterImage) {
        let settings = image.settings(NodeId::of(image.server().server_id, ShardId(0)));
        let paths = self
            .data_dirs
            .all()
            .iter()
            .map(|directory| directory.path().to_path_buf());
        let message = StartMessage::new(self.bases.clone(), paths.collect(), &settings, image);
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
        let marked = self.data_dirs.mark_clean_shutdown();
        marked.map_err(|error| error.to_string())
    }
}
