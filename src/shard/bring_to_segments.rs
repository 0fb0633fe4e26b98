//! What only write-ahead logs have, brought to the segments of a server that does not run.

use std::sync::Arc;

use crate::base::ids::{NodeId, ShardId, TopicPartition};
use crate::log::{DataDirs, LogError, PartitionOffline, PartitionSpec};
use crate::metadata::ClusterImage;
use crate::shard::directory_logs::DirectoryLogs;
use crate::shard::log_options::topic_log_config;

/// Recovers all partitions as a start of the server would, and closes them in order: then their directories hold all that was
/// acknowledged, and segments have their exact lengths. The write-ahead logs stay: the next start finds nothing new in them. Gives the
/// partitions that can't be taken up, and why. For tools, on a thread of their own.
pub async fn bring_to_segments(
    data_dirs: Arc<DataDirs>,
    image: &ClusterImage,
) -> Result<Vec<(TopicPartition, PartitionOffline)>, LogError> {
    let node = NodeId::of(image.server().server_id, ShardId(0));
    let settings = image.settings(node);
    let mut specs = Vec::with_capacity(image.partition_count());
    for topic in image.topics() {
        let config = Arc::new(topic_log_config(&image.topic_config(topic, node)));
        for partition in 0..topic.partition_count() {
            let (_, leader_epoch) = image.leader(topic, partition).expect("it has such a partition");
            let spec = PartitionSpec {
                topic_id: topic.id(),
                topic_name: topic.name().clone(),
                partition,
                leader_epoch,
                config: config.clone(),
            };
            specs.push((topic.directory(partition), spec));
        }
    }
    let logs = DirectoryLogs::open(data_dirs, &settings, ShardId(0), 1, |_| {}).await?;
    let recovered = logs.recover(specs).await;
    logs.shutdown().await?;
    let offline = recovered
        .into_iter()
        .filter_map(|(id, state)| state.err().map(|reason| (id, reason)));
    Ok(offline.collect())
}
