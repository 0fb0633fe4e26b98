//! The arguments of `corelane storage import`, and the order of an import.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;
use std::sync::Arc;

use anyhow::{Context, bail};
use clap::Args;

use super::kafka_log_dir::KafkaLogDir;
use super::kafka_metadata::KafkaMetadata;
use super::partition_import::{ImportedPartition, OnDamage, PartitionImport};
use super::topic_choice::{Choice, ChosenTopic, choose};
use crate::base::ids::{ProducerId, TopicPartition};
use crate::cli::output::print_line;
use crate::cli::storage::stopped_server::{ServerArgs, StoppedServer};
use crate::log::Checkpoint;
use crate::metadata::plan_import;

const EXAMPLES: &str = "\
Examples:
  corelane storage import /var/lib/kafka/data --dry-run
  corelane storage import /var/lib/kafka/data --data-dir /var/lib/corelane
  corelane storage import /disk1/kafka /disk2/kafka --topic clicks --topic orders

Both brokers are stopped. Kafka's files are only read, and it can't start on them meanwhile. Name all directories of its log.dirs; with
several brokers, one that leads each partition. Topics keep their ids, offsets, timestamps, headers, compression, producers (so that a
retry is recognised) and leader epochs; configs and partition counts come from Kafka's metadata. Committed offsets come as well, if this
server has none yet. Partitions are placed in this server's data directories as those of a new topic are: name all of them. Every
batch's checksum is checked on the way.

A topic appears when all of it is there, synced. If the command is stopped, run it again: what is complete is compared and kept.

What does not come: topics that exist here under the same name or one too like it; topics partly in remote storage; messages in
formats before Kafka 0.11; partitions with a transaction that has not ended; damaged ones, unless --cut-damaged; the state of
transactional ids and of share groups; users, ACLs, quotas; and what stands in server.properties: a topic without a
retention.ms of its own gets this server's log.retention.ms. So set those in this server's settings before its first start.";

#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct ImportArgs {
    /// Log directories of the stopped Kafka broker: its log.dirs
    #[arg(value_name = "DIR", required = true)]
    dirs: Vec<PathBuf>,

    /// Only this topic; may be given more than once [default: all]
    #[arg(long, value_name = "NAME")]
    topic: Vec<String>,

    /// Where Kafka's metadata is, if not in one of the directories: its metadata.log.dir
    #[arg(long, value_name = "DIR")]
    metadata_dir: Option<PathBuf>,

    /// Import without Kafka's metadata: topics get no configs, and this server's retention deletes what is old
    #[arg(long, conflicts_with = "metadata_dir")]
    without_metadata: bool,

    /// Let a damaged partition end before the damage
    #[arg(long)]
    cut_damaged: bool,

    /// Read and check everything, and change nothing of the topics
    #[arg(long)]
    dry_run: bool,

    #[command(flatten)]
    server: ServerArgs,
}

pub fn run(args: &ImportArgs) -> anyhow::Result<()> {
    let mut dirs = Vec::new();
    for path in &args.dirs {
        dirs.push(KafkaLogDir::open(path)?);
    }
    let metadata = read_metadata(args)?;
    let mut server = StoppedServer::open(&args.server)?;
    server.use_new_directories()?;
    for dir in dirs.iter().filter(|dir| !dir.clean) {
        print_line(&format!(
            "{}: Kafka did not end in order; what is torn off at the end of a partition is left out",
            dir.path.display()
        ))?;
    }
    let mut left_out = 0;
    let mut chosen = Vec::new();
    for choice in choose(&dirs, metadata.as_ref(), server.image(), &args.topic) {
        match choice {
            Choice::Import(topic) => chosen.push(topic),
            Choice::Here(name) => print_line(&format!("{name}: it is here already"))?,
            Choice::Stays(name, why) => print_line(&format!("{name}: not imported, {why}"))?,
            Choice::Refused(name, why) => {
                left_out += 1;
                print_line(&format!("{name}: REFUSED, {why}"))?;
            }
        }
    }
    let on_damage = if args.cut_damaged {
        OnDamage::Cut
    } else {
        OnDamage::Refuse
    };
    check_room(&chosen, &server, on_damage)?;
    let broker_configs = metadata.as_ref().map(|all| &all.broker_configs);
    if let Some(configs) = broker_configs.filter(|configs| !configs.is_empty()) {
        let names: Vec<_> = configs
            .iter()
            .map(|(name, value)| format!("{name}={value}"))
            .collect();
        print_line(&format!(
            "note: these were set for Kafka's brokers at run time and are not taken over: {}",
            names.join(", ")
        ))?;
    }
    let next_producer_id = metadata.as_ref().map_or(0, |all| all.next_producer_id);
    for topic in &chosen {
        match import(topic, &mut server, on_damage, args.dry_run, next_producer_id) {
            Ok(said) => said.iter().try_for_each(|line| print_line(line))?,
            Err(error) => {
                left_out += 1;
                print_line(&format!("{}: REFUSED, {error:#}", topic.name))?;
            }
        }
    }
    match left_out {
        0 => Ok(()),
        1 => bail!("1 topic was not imported"),
        _ => bail!("{left_out} topics were not imported"),
    }
}

fn read_metadata(args: &ImportArgs) -> anyhow::Result<Option<KafkaMetadata>> {
    if args.without_metadata {
        return Ok(None);
    }
    let places = match &args.metadata_dir {
        Some(dir) => std::slice::from_ref(dir),
        None => &args.dirs[..],
    };
    for place in places {
        if let Some(metadata) = KafkaMetadata::read(place)? {
            return Ok(Some(metadata));
        }
    }
    bail!(
        "there is no __cluster_metadata-0 in {}: name the directory that has it with --metadata-dir. Without it the topics' configs are \
         not known, so that this server would delete what is older than its own retention; --without-metadata accepts that",
        places
            .iter()
            .map(|place| place.display().to_string())
            .collect::<Vec<_>>()
            .join(" or ")
    )
}

/// Sees whether all of it fits on the disks, before any of it is copied.
fn check_room(topics: &[ChosenTopic], server: &StoppedServer, on_damage: OnDamage) -> anyhow::Result<()> {
    // By disk: several directories may be on one.
    let mut needed: BTreeMap<u64, (PathBuf, u64)> = BTreeMap::new();
    let mut image = server.image().clone();
    for topic in topics {
        // Each is placed when those before it are there. One that does not fit the metadata is refused when its turn comes.
        let Ok((_, with_it)) = plan_import(&image, topic.imported(None, None)) else {
            continue;
        };
        let placed = with_it.topic(&topic.id).expect("it was planned").clone();
        for partition in &topic.partitions {
            let bytes =
                PartitionImport::new(partition, topic.id, on_damage).map_or(0, |import| import.bytes());
            let directory = server.directory_of(&placed, partition.partition)?;
            let of_disk = fs::metadata(directory.path())
                .with_context(|| format!("could not look at {}", directory.path().display()))?;
            let on_disk = needed.entry(of_disk.dev());
            on_disk.or_insert_with(|| (directory.path().to_path_buf(), 0)).1 += bytes;
        }
        image = with_it;
    }
    for (directory, bytes) in needed.into_values() {
        let space = rustix::fs::statvfs(&directory)
            .with_context(|| format!("could not ask for the free room in {}", directory.display()))?;
        let free = space.f_bavail.saturating_mul(space.f_frsize);
        // Indexes, and a write-ahead log for the start.
        let needed = bytes + bytes / 50 + (64 << 20);
        if free < needed {
            bail!(
                "{} has {} MiB of free room, and {} MiB are needed; import fewer topics at a time with --topic",
                directory.display(),
                free >> 20,
                needed >> 20
            );
        }
    }
    Ok(())
}

/// Copies a topic, then makes it exist.
fn import(
    topic: &ChosenTopic,
    server: &mut StoppedServer,
    on_damage: OnDamage,
    dry_run: bool,
    next_producer_id: i64,
) -> anyhow::Result<Vec<String>> {
    let (_, planned) = plan_import(server.image(), topic.imported(None, None))
        .map_err(|refused| anyhow::anyhow!(refused.message))?;
    let placed = planned.topic(&topic.id).expect("it was planned").clone();
    let mut partitions: Vec<ImportedPartition> = Vec::new();
    for source in &topic.partitions {
        let one = PartitionImport::new(source, topic.id, on_damage)?;
        let directory = server.directory_of(&placed, source.partition)?;
        let imported = if dry_run {
            one.check()
        } else {
            one.run(directory.path())
        };
        partitions.push(imported.with_context(|| format!("partition {}", source.partition))?);
    }
    if !dry_run {
        let name: Arc<str> = topic.name.as_str().into();
        for (source, partition) in topic.partitions.iter().zip(&partitions) {
            let id = TopicPartition {
                topic: topic.id,
                partition: source.partition,
            };
            let checkpoint = Checkpoint::at_rest(partition.log_start, partition.log_end);
            let directory = server.directory_of(&placed, source.partition)?;
            directory.note(id, &name, checkpoint);
        }
        for directory in server.data_dirs().all().iter().filter_map(|one| one.online()) {
            // Recovery takes gaps, which compaction leaves, only below a recovery point.
            directory.write_own_checkpoint()?;
        }
        let newest_epoch = partitions
            .iter()
            .filter_map(|partition| partition.newest_epoch)
            .max();
        let newest_producer = partitions
            .iter()
            .filter_map(|partition| partition.newest_producer)
            .max();
        let newest_producer = newest_producer.max(Some(ProducerId(next_producer_id - 1)));
        let (records, image) = plan_import(server.image(), topic.imported(newest_epoch, newest_producer))
            .map_err(|refused| anyhow::anyhow!(refused.message))?;
        let as_planned = image.topic(&topic.id).is_some_and(|topic| {
            (0..topic.partition_count()).all(|one| topic.directory(one) == placed.directory(one))
        });
        assert!(as_planned, "the same image gives the same places");
        server.append(&records, image)?;
    }
    let mut said = vec![format!(
        "{}: {}, {} partitions, {} records, {} bytes",
        topic.name,
        if dry_run { "can be imported" } else { "imported" },
        partitions.len(),
        partitions.iter().map(|partition| partition.records).sum::<u64>(),
        partitions.iter().map(|partition| partition.bytes).sum::<u64>()
    )];
    said.extend(topic.notes.iter().map(|note| format!("  {note}")));
    for (source, partition) in topic.partitions.iter().zip(&partitions) {
        let notes = partition.notes.iter();
        said.extend(notes.map(|note| format!("  partition {}: {note}", source.partition)));
    }
    Ok(said)
}
