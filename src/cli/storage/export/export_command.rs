//! The arguments of `corelane storage export`, and the order of an export.

use std::path::PathBuf;
use std::sync::Arc;

use anyhow::{Context, anyhow, bail};
use clap::Args;

use super::kafka_target::{KafkaTarget, OnRecords};
use super::partition_export::export_partition;
use crate::base::ids::{Offset, TopicId, TopicPartition};
use crate::cli::output::print_line;
use crate::cli::storage::durable_files::remove_dir_if_there;
use crate::cli::storage::stopped_server::{ServerArgs, StoppedServer};
use crate::log::file_names::partition_dir;
use crate::metadata::TopicImage;

const EXAMPLES: &str = "\
Examples:
  corelane storage export clicks /var/lib/kafka/data --data-dir /var/lib/corelane
  corelane storage export clicks /tmp/clicks --topic-id 4L6g3nShT-eMCtK--X86sw

How a Kafka broker takes a topic over:
  1. create the topic in Kafka, with the same name, as many partitions, and the configs it shall have:
     kafka-topics.sh --create --topic clicks --partitions 3 --bootstrap-server ...
  2. stop the broker in order, and this server
  3. corelane storage export clicks DIR, with the directory of its log.dirs that has the topic's empty partitions: their topic id,
     by which Kafka's metadata knows them, is put into what is exported
  4. start the broker
With replicas on several brokers, export to the one that leads, and delete the partitions' directories of the others: they fetch it
anew. In an empty directory the topic gets the id it has here, or --topic-id, and Kafka's checkpoint files; a broker takes partitions
for strays whose topic ids its metadata does not have.

What comes along: all records with offsets, timestamps, headers and compression, producers, and transactions. Leader epochs begin at 0 again.
Committed offsets of groups stay here. The server is stopped; what only its write-ahead log has is brought to its segments first.";

#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct ExportArgs {
    /// The topic
    #[arg(value_name = "TOPIC")]
    topic: String,

    /// Log directory of a stopped Kafka broker, or an empty directory
    #[arg(value_name = "DIR")]
    dir: PathBuf,

    /// Topic id to give it; in Kafka's form [default: that of the partitions there, else the one it has here]
    #[arg(long, value_name = "ID")]
    topic_id: Option<String>,

    /// Replace partitions there that have records
    #[arg(long)]
    replace: bool,

    #[command(flatten)]
    server: ServerArgs,
}

pub fn run(args: &ExportArgs) -> anyhow::Result<()> {
    let server = StoppedServer::open(&args.server)?;
    let topic = server.image().topic_by_name(&args.topic).cloned();
    let topic = topic.ok_or_else(|| anyhow!("there is no topic {}", args.topic))?;
    if topic.is_internal() {
        bail!("{} is an internal topic: Kafka keeps its own", args.topic);
    }
    let target = KafkaTarget::open(&args.dir)?;
    let id = choose_id(args, &topic, &target)?;
    server.bring_to_segments(&topic)?;
    export(&server, &topic, id, &target)
}

fn choose_id(args: &ExportArgs, topic: &TopicImage, target: &KafkaTarget) -> anyhow::Result<TopicId> {
    let on_records = if args.replace {
        OnRecords::Replace
    } else {
        OnRecords::Refuse
    };
    let there = target.topic_id(topic.name(), topic.partition_count(), on_records)?;
    if let Some(id) = &args.topic_id {
        let id = TopicId::parse(id).filter(|id| *id != TopicId::ZERO);
        return id.context("--topic-id takes a topic id as kafka-topics.sh --describe prints it");
    }
    if there.is_none() && target.is_brokers() {
        bail!(
            "{} belongs to a Kafka broker and has no partition of {}: create the topic in Kafka first, with {} partitions, and stop \
             Kafka again; or say its id with --topic-id",
            target.path().display(),
            topic.name(),
            topic.partition_count()
        );
    }
    Ok(there.unwrap_or(topic.id()))
}

fn export(
    server: &StoppedServer,
    topic: &Arc<TopicImage>,
    id: TopicId,
    target: &KafkaTarget,
) -> anyhow::Result<()> {
    let name = topic.name();
    let (mut made, mut starts, mut ends) = (Vec::new(), Vec::new(), Vec::new());
    let (mut records, mut bytes) = (0, 0);
    for partition in 0..topic.partition_count() {
        let here = TopicPartition {
            topic: topic.id(),
            partition,
        };
        let there = TopicPartition { topic: id, partition };
        let data_dir = server.directory_of(topic, partition)?;
        let log_start = data_dir
            .checkpoint(here, name)
            .map_or(Offset::ZERO, |known| known.log_start);
        let unfinished = target.unfinished(name, there);
        remove_dir_if_there(&unfinished)?;
        let source = data_dir.path().join(partition_dir(name, partition));
        let exported = export_partition(&source, log_start, id, &unfinished)
            .inspect_err(|_| {
                // Kafka removes them at its next start, too.
                for (_, dir) in made.iter().chain([&(there, unfinished.clone())]) {
                    let _ = std::fs::remove_dir_all(dir);
                }
            })
            .with_context(|| format!("partition {partition}"))?;
        made.push((there, unfinished));
        starts.push(((name.to_string(), partition), exported.log_start));
        ends.push(((name.to_string(), partition), exported.log_end));
        records += exported.records;
        bytes += exported.bytes;
    }
    target.note_log_starts(&starts)?;
    for (there, unfinished) in &made {
        target.put_in_place(name, *there, unfinished)?;
    }
    target.note_ends(&ends)?;
    print_line(&format!(
        "{name}: exported to {} with topic id {id}, {} partitions, {records} records, {bytes} bytes",
        target.path().display(),
        made.len()
    ))
}
