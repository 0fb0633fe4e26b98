//! Opens a run of the server.

use std::fmt;

use crate::base::ids::DirectoryId;
use crate::metadata::cluster_image::ClusterImage;
use crate::metadata::record::Record;

/// The data belongs to another server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WrongServer {
    /// Whose it is.
    pub owner: i32,
    /// Who wants it.
    pub asker: i32,
}

impl fmt::Display for WrongServer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let WrongServer { owner, asker } = self;
        write!(
            f,
            "the data is that of the server with server_id {owner}, not {asker}: start with --set server_id={owner}, \
             or with another data directory"
        )
    }
}

impl std::error::Error for WrongServer {}

/// Records that add data directories to those that new partitions are placed in, between two starts.
pub fn plan_directories(image: &ClusterImage, directories: &[DirectoryId]) -> (Vec<Record>, ClusterImage) {
    let records = vec![Record::DirectoriesOnline {
        directories: directories.to_vec(),
    }];
    let next = image.after(&records).expect("directories fit every image");
    (records, next)
}

/// Records of a start: the first founds the cluster under `new_cluster_id`, each later one raises the server's
/// epoch, and so the leader epoch of all its partitions. `directories` are the data directories it has now, the one with the
/// metadata first.
pub fn plan_start(
    image: &ClusterImage,
    server_id: i32,
    shards: u16,
    directories: &[DirectoryId],
    new_cluster_id: impl FnOnce() -> String,
) -> Result<(Vec<Record>, ClusterImage), WrongServer> {
    assert!(shards > 0);
    let record = if image.version() == 0 {
        Record::ClusterState {
            cluster_id: new_cluster_id(),
            server_id,
            server_epoch: 1,
            shards,
            next_slot: 0,
            next_producer_id: 0,
        }
    } else if image.server().server_id != server_id {
        return Err(WrongServer {
            owner: image.server().server_id,
            asker: server_id,
        });
    } else {
        Record::ServerStarted {
            server_epoch: image.server().epoch + 1,
            shards,
        }
    };
    let mut records = vec![record];
    if directories != image.directories_online() {
        records.push(Record::DirectoriesOnline {
            directories: directories.to_vec(),
        });
    }
    let next = image.after(&records).expect("a start fits every image");
    Ok((records, next))
}
