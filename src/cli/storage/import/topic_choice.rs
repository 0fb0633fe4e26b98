//! Which topics come, and why the others stay.

use std::collections::{BTreeMap, BTreeSet};

use super::kafka_log_dir::{KafkaLogDir, KafkaPartition};
use super::kafka_metadata::KafkaMetadata;
use crate::base::ids::{LeaderEpoch, ProducerId, TopicId};
use crate::config::TopicConfig;
use crate::metadata::{ClusterImage, GROUP_METADATA_TOPIC, ImportedTopic, is_internal, plan_import};

/// A topic that can come.
#[derive(Debug)]
pub struct ChosenTopic {
    /// Its name.
    pub name: String,
    /// Its id.
    pub id: TopicId,
    /// Its partitions, by index, from 0 without a gap.
    pub partitions: Vec<KafkaPartition>,
    /// Its configs that mean something here.
    pub configs: Vec<(String, Option<String>)>,
    /// What is to be said of it.
    pub notes: Vec<String>,
}

impl ChosenTopic {
    /// The topic as the metadata takes it up.
    pub fn imported(
        &self,
        newest_epoch: Option<LeaderEpoch>,
        newest_producer: Option<ProducerId>,
    ) -> ImportedTopic {
        ImportedTopic {
            id: self.id,
            name: self.name.clone(),
            partitions: self.partitions.len() as u32,
            configs: self.configs.clone(),
            newest_epoch,
            newest_producer,
        }
    }
}

/// What becomes of a topic.
#[derive(Debug)]
pub enum Choice {
    /// It can come.
    Import(ChosenTopic),
    /// It has come already.
    Here(String),
    /// It stays, and that is as it should be.
    Stays(String, String),
    /// It can't come.
    Refused(String, String),
}

/// Looks at all topics of the directories, or at those that were named.
pub fn choose(
    dirs: &[KafkaLogDir],
    metadata: Option<&KafkaMetadata>,
    image: &ClusterImage,
    wanted: &[String],
) -> Vec<Choice> {
    let mut found: BTreeMap<&str, Vec<&KafkaPartition>> = BTreeMap::new();
    for partition in dirs.iter().flat_map(|dir| &dir.partitions) {
        found.entry(&partition.topic).or_default().push(partition);
    }
    found.remove("__cluster_metadata");
    let missing: BTreeSet<_> = wanted
        .iter()
        .filter(|name| !found.contains_key(name.as_str()))
        .collect();
    let mut choices: Vec<Choice> = missing
        .into_iter()
        .map(|name| Choice::Refused(name.clone(), "there is no partition of it".to_string()))
        .collect();
    for (name, partitions) in found {
        let named = wanted.iter().any(|wanted| wanted == name);
        if !wanted.is_empty() && !named {
            continue;
        }
        choices.push(match choose_one(name, &partitions, metadata, image) {
            // What nobody has asked for by name may stay.
            Choice::Stays(name, why) if named => Choice::Refused(name, why),
            choice => choice,
        });
    }
    choices
}

fn choose_one(
    name: &str,
    partitions: &[&KafkaPartition],
    metadata: Option<&KafkaMetadata>,
    image: &ClusterImage,
) -> Choice {
    let refused = |why: String| Choice::Refused(name.to_string(), why);
    let stays = |why: &str| Choice::Stays(name.to_string(), why.to_string());
    let is_group_metadata = name == GROUP_METADATA_TOPIC;
    if is_internal(name) && !is_group_metadata {
        return stays("it is an internal topic of Kafka's, and its state is not taken over");
    }
    let mut ids = BTreeSet::new();
    for partition in partitions {
        match &partition.topic_id {
            Ok(id) => ids.insert(*id),
            Err(why) => return refused(why.clone()),
        };
    }
    let known = ids.iter().find_map(|id| {
        metadata
            .and_then(|all| all.topics.get(id))
            .map(|topic| (*id, topic))
    });
    let id = match (metadata, known, ids.len()) {
        (Some(_), Some((id, _)), _) => id,
        (Some(_), None, _) => return stays("Kafka's metadata has no such topic any more: it was deleted"),
        (None, _, 1) => *ids.first().expect("one"),
        (None, ..) => return refused("its partitions have different topic ids".to_string()),
    };
    if let Some(present) = image.topic(&id) {
        return Choice::Here(present.name().to_string());
    }
    if is_group_metadata && image.topic_by_name(name).is_some() {
        return stays(
            "this server has committed offsets of its own already; set those of a group with 'corelane group reset'",
        );
    }
    let mut by_index: BTreeMap<i32, Vec<&KafkaPartition>> = BTreeMap::new();
    for partition in partitions.iter().filter(|partition| partition.topic_id == Ok(id)) {
        by_index.entry(partition.partition).or_default().push(partition);
    }
    let count = match known {
        Some((_, topic)) => topic.leaders.len(),
        None => by_index.len(),
    };
    let mut chosen = Vec::with_capacity(count);
    for index in 0..count as i32 {
        let leader = known.and_then(|(_, topic)| topic.leaders.get(&index).copied());
        match pick(by_index.remove(&index).unwrap_or_default(), leader) {
            Ok(partition) => chosen.push(partition.clone()),
            Err(why) => return refused(format!("partition {index} of {count}: {why}")),
        }
    }
    if let Some((index, _)) = by_index.pop_first() {
        return refused(format!(
            "it has a partition {index}, but not all of those before it"
        ));
    }
    let mut topic = ChosenTopic {
        name: name.to_string(),
        id,
        partitions: chosen,
        configs: Vec::new(),
        notes: Vec::new(),
    };
    let configs = metadata.and_then(|all| all.configs.get(name));
    for (config, value) in configs.into_iter().flatten() {
        if config == "remote.storage.enable" && value == "true" {
            return refused(
                "a part of it is in remote storage (remote.storage.enable), and that part is not here"
                    .to_string(),
            );
        }
        match TopicConfig::spec(config) {
            Some(_) => topic.configs.push((config.clone(), Some(value.clone()))),
            None => topic.notes.push(format!(
                "its config {config}={value} means nothing here and is left out"
            )),
        }
    }
    match plan_import(image, topic.imported(None, None)) {
        Ok(_) => Choice::Import(topic),
        Err(error) => refused(error.message),
    }
}

/// The replica that counts.
fn pick(replicas: Vec<&KafkaPartition>, leader: Option<i32>) -> Result<&KafkaPartition, String> {
    match replicas[..] {
        [] => Err(
            "it is in none of these directories; name all directories of log.dirs, and those of other brokers if it is there"
                .to_string(),
        ),
        [one] => Ok(one),
        [..] => {
            let leads = |replica: &&&KafkaPartition| leader.is_some() && replica.node_id == leader;
            replicas.iter().find(leads).copied().ok_or_else(|| {
                let dirs: Vec<_> = replicas.iter().map(|replica| replica.dir.display().to_string()).collect();
                format!("it is found in {}, and none of them is its leader's; name fewer directories", dirs.join(" and "))
            })
        }
    }
}
