//! All partitions of a server that does not run, recovered by a tool: to see what a start would make of them, or to bring what only
//! write-ahead logs have to the segments.

use std::sync::Arc;

use crate::base::ids::{DirectoryId, NodeId, Offset, ShardId, TopicPartition};
use crate::log::{DataDirs, LogError, PartitionOffline, PartitionSpec, ShardLogOptions};
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
    let settings = image.settings(node(image));
    // However long it takes.
    let all = |options: &mut ShardLogOptions| options.stop_within_ms = u64::MAX;
    let logs = DirectoryLogs::open(data_dirs, &settings, ShardId(0), 1, all).await?;
    let recovered = logs.recover(specs(image)).await;
    logs.shutdown().await?;
    let offline = recovered
        .into_iter()
        .filter_map(|(id, state)| state.err().map(|reason| (id, reason)));
    Ok(offline.collect())
}

/// What a start would make of each partition: from where to where its log goes, or why it stays offline.
pub type PartitionVerdicts = Vec<(TopicPartition, Result<(Offset, Offset), PartitionOffline>)>;

/// Looks at all partitions in directories that were opened to be looked at: nothing is changed. For tools, on a thread of their own.
pub async fn look_at_partitions(
    data_dirs: Arc<DataDirs>,
    image: &ClusterImage,
) -> Result<PartitionVerdicts, LogError> {
    let settings = image.settings(node(image));
    let logs = DirectoryLogs::open(data_dirs, &settings, ShardId(0), 1, |_| {}).await?;
    let recovered = logs.recover(specs(image)).await;
    let verdicts = recovered.into_iter().map(|(id, state)| {
        let taken_up = state.map(|log| (log.log_start(), log.log_end()));
        (id, taken_up)
    });
    Ok(verdicts.collect())
}

fn node(image: &ClusterImage) -> NodeId {
    NodeId::of(image.server().server_id, ShardId(0))
}

fn specs(image: &ClusterImage) -> Vec<(DirectoryId, PartitionSpec)> {
    let mut specs = Vec::with_capacity(image.partition_count());
    for topic in image.topics() {
        let config = Arc::new(topic_log_config(&image.topic_config(topic, node(image))));
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
    specs
}
