//! Records as bytes: our own format, every number little-endian.
//!
//! | record | kind, version, length of the rest (u8, u8, u32), fields |
//! |---|---|
//! | text | length (u32), UTF-8 |
//! | bytes | length (u32), bytes |
//! | optional | 0, or 1 and the value |
//! | list | number of items (u32), items |
//!
//! A kind's fields never change; new fields come as a new version of the kind, which old records do not have. A server
//! that meets a kind or version it does not know refuses the log: a newer one wrote it.

use crate::base::ids::{DirectoryId, NodeId, TopicId};
use crate::config::Overrides;
use crate::metadata::record::Record;
use crate::metadata::topic_image::{PartitionRun, Slots};
use crate::security::{ScramCredential, ScramMechanism};

/// What is wrong with bytes that should be records.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BadRecord(pub String);

const CLUSTER_STATE: u8 = 1;
const SERVER_STARTED: u8 = 2;
const TOPIC_CREATED: u8 = 3;
const TOPIC_DELETED: u8 = 4;
const PARTITIONS_CREATED: u8 = 5;
const TOPIC_CONFIG_SET: u8 = 6;
const BROKER_CONFIG_SET: u8 = 7;
const PRODUCER_IDS_ALLOCATED: u8 = 8;
const SCRAM_CREDENTIAL_SET: u8 = 9;
const SCRAM_CREDENTIAL_REMOVED: u8 = 10;
const DIRECTORIES_ONLINE: u8 = 11;
const PARTITION_DIRECTORIES: u8 = 12;
const DELETION_OWED: u8 = 13;
const DELETIONS_SETTLED: u8 = 14;

/// The only version of every kind so far.
const VERSION: u8 = 1;

const SLOTS_FROM: u8 = 0;
const SLOTS_CHOSEN: u8 = 1;

/// Appends a record's bytes.
pub fn encode_record(record: &Record, out: &mut Vec<u8>) {
    out.extend([kind_of(record), VERSION]);
    let length_at = out.len();
    out.extend([0; 4]);
    match record {
        Record::ClusterState {
            cluster_id,
            server_id,
            server_epoch,
            shards,
            next_slot,
            next_producer_id,
        } => {
            put_text(cluster_id, out);
            out.extend(server_id.to_le_bytes());
            out.extend(server_epoch.to_le_bytes());
            out.extend(shards.to_le_bytes());
            out.extend(next_slot.to_le_bytes());
            out.extend(next_producer_id.to_le_bytes());
        }
        Record::ServerStarted { server_epoch, shards } => {
            out.extend(server_epoch.to_le_bytes());
            out.extend(shards.to_le_bytes());
        }
        Record::TopicCreated {
            id,
            name,
            slots,
            runs,
            overrides,
            next_slot,
        } => {
            out.extend(id.0);
            put_text(name, out);
            put_slots(slots, out);
            put_count(runs.len(), out);
            runs.iter().for_each(|run| put_run(run, out));
            put_count(overrides.len(), out);
            for (name, value) in overrides {
                put_text(name, out);
                put_text(value, out);
            }
            out.extend(next_slot.to_le_bytes());
        }
        Record::TopicDeleted { id } => out.extend(id.0),
        Record::PartitionsCreated { id, run, slots } => {
            out.extend(id.0);
            put_run(run, out);
            put_slots(slots, out);
        }
        Record::TopicConfigSet { id, name, value } => {
            out.extend(id.0);
            put_text(name, out);
            put_optional_text(value.as_deref(), out);
        }
        Record::BrokerConfigSet { node, name, value } => {
            out.push(u8::from(node.is_some()));
            out.extend(node.unwrap_or_default().0.to_le_bytes());
            put_text(name, out);
            put_optional_text(value.as_deref(), out);
        }
        Record::ProducerIdsAllocated { next_producer_id } => out.extend(next_producer_id.to_le_bytes()),
        Record::ScramCredentialSet {
            user,
            mechanism,
            credential,
        } => {
            put_text(user, out);
            out.extend(mechanism.code().to_le_bytes());
            put_bytes(&credential.salt, out);
            put_bytes(&credential.stored_key, out);
            put_bytes(&credential.server_key, out);
            out.extend(credential.iterations.to_le_bytes());
        }
        Record::ScramCredentialRemoved { user, mechanism } => {
            put_text(user, out);
            out.extend(mechanism.code().to_le_bytes());
        }
        Record::DirectoriesOnline { directories } => {
            put_count(directories.len(), out);
            directories.iter().for_each(|directory| out.extend(directory.0));
        }
        Record::PartitionDirectories { id, directories } => {
            out.extend(id.0);
            put_count(directories.len(), out);
            for (partition, directory) in directories {
                out.extend(partition.to_le_bytes());
                out.extend(directory.0);
            }
        }
        Record::DeletionOwed {
            directory,
            id,
            name,
            partitions,
        } => {
            out.extend(directory.0);
            out.extend(id.0);
            put_text(name, out);
            out.extend(partitions.to_le_bytes());
        }
        Record::DeletionsSettled { directory } => out.extend(directory.0),
    }
    let length = u32::try_from(out.len() - length_at - 4).expect("limited by the command");
    out[length_at..length_at + 4].copy_from_slice(&length.to_le_bytes());
}

/// Reads the record at the front of `bytes` and moves on behind it.
pub fn decode_record(bytes: &mut &[u8]) -> Result<Record, BadRecord> {
    let mut fields = Fields(bytes);
    let (kind, version) = (fields.u8()?, fields.u8()?);
    let length = fields.u32()? as usize;
    let body = fields.take(length)?;
    *bytes = fields.0;
    if version != VERSION {
        return Err(unknown(kind, version));
    }
    let mut fields = Fields(body);
    let record = decode_fields(kind, &mut fields)?;
    if !fields.0.is_empty() {
        return Err(BadRecord(format!(
            "a record of kind {kind} has {} bytes too many",
            fields.0.len()
        )));
    }
    Ok(record)
}

fn decode_fields(kind: u8, fields: &mut Fields<'_>) -> Result<Record, BadRecord> {
    Ok(match kind {
        CLUSTER_STATE => Record::ClusterState {
            cluster_id: fields.text()?,
            server_id: fields.i32()?,
            server_epoch: fields.u32()?,
            shards: fields.shards()?,
            next_slot: fields.u32()?,
            next_producer_id: fields.i64()?,
        },
        SERVER_STARTED => Record::ServerStarted {
            server_epoch: fields.u32()?,
            shards: fields.shards()?,
        },
        TOPIC_CREATED => {
            let (id, name, slots) = (fields.topic_id()?, fields.text()?, fields.slots()?);
            let runs = fields.list(Fields::run)?;
            let overrides: Overrides = fields.list(|f| Ok((f.text()?, f.text()?)))?.into_iter().collect();
            Record::TopicCreated {
                id,
                name,
                slots,
                runs,
                overrides,
                next_slot: fields.u32()?,
            }
        }
        TOPIC_DELETED => Record::TopicDeleted {
            id: fields.topic_id()?,
        },
        PARTITIONS_CREATED => Record::PartitionsCreated {
            id: fields.topic_id()?,
            run: fields.run()?,
            slots: fields.slots()?,
        },
        TOPIC_CONFIG_SET => Record::TopicConfigSet {
            id: fields.topic_id()?,
            name: fields.text()?,
            value: fields.optional_text()?,
        },
        BROKER_CONFIG_SET => {
            let (one, node) = (fields.bool()?, NodeId(fields.i32()?));
            let node = one.then_some(node);
            Record::BrokerConfigSet {
                node,
                name: fields.text()?,
                value: fields.optional_text()?,
            }
        }
        PRODUCER_IDS_ALLOCATED => Record::ProducerIdsAllocated {
            next_producer_id: fields.i64()?,
        },
        SCRAM_CREDENTIAL_SET => Record::ScramCredentialSet {
            user: fields.text()?,
            mechanism: fields.mechanism()?,
            credential: ScramCredential {
                salt: fields.bytes()?,
                stored_key: fields.bytes()?,
                server_key: fields.bytes()?,
                iterations: fields.i32()?,
            },
        },
        SCRAM_CREDENTIAL_REMOVED => Record::ScramCredentialRemoved {
            user: fields.text()?,
            mechanism: fields.mechanism()?,
        },
        DIRECTORIES_ONLINE => Record::DirectoriesOnline {
            directories: fields.list(Fields::directory)?,
        },
        PARTITION_DIRECTORIES => Record::PartitionDirectories {
            id: fields.topic_id()?,
            directories: fields.list(|f| Ok((f.i32()?, f.directory()?)))?,
        },
        DELETION_OWED => Record::DeletionOwed {
            directory: fields.directory()?,
            id: fields.topic_id()?,
            name: fields.text()?,
            partitions: fields.i32()?,
        },
        DELETIONS_SETTLED => Record::DeletionsSettled {
            directory: fields.directory()?,
        },
        other => return Err(unknown(other, VERSION)),
    })
}

fn kind_of(record: &Record) -> u8 {
    match record {
        Record::ClusterState { .. } => CLUSTER_STATE,
        Record::ServerStarted { .. } => SERVER_STARTED,
        Record::TopicCreated { .. } => TOPIC_CREATED,
        Record::TopicDeleted { .. } => TOPIC_DELETED,
        Record::PartitionsCreated { .. } => PARTITIONS_CREATED,
        Record::TopicConfigSet { .. } => TOPIC_CONFIG_SET,
        Record::BrokerConfigSet { .. } => BROKER_CONFIG_SET,
        Record::ProducerIdsAllocated { .. } => PRODUCER_IDS_ALLOCATED,
        Record::ScramCredentialSet { .. } => SCRAM_CREDENTIAL_SET,
        Record::ScramCredentialRemoved { .. } => SCRAM_CREDENTIAL_REMOVED,
        Record::DirectoriesOnline { .. } => DIRECTORIES_ONLINE,
        Record::PartitionDirectories { .. } => PARTITION_DIRECTORIES,
        Record::DeletionOwed { .. } => DELETION_OWED,
        Record::DeletionsSettled { .. } => DELETIONS_SETTLED,
    }
}

fn unknown(kind: u8, version: u8) -> BadRecord {
    BadRecord(format!(
        "a record of kind {kind}, version {version}, which this server does not know: a newer Corelane wrote it"
    ))
}

fn put_count(count: usize, out: &mut Vec<u8>) {
    out.extend(
        u32::try_from(count)
            .expect("limited by the command")
            .to_le_bytes(),
    );
}

fn put_text(text: &str, out: &mut Vec<u8>) {
    put_bytes(text.as_bytes(), out);
}

fn put_bytes(bytes: &[u8], out: &mut Vec<u8>) {
    put_count(bytes.len(), out);
    out.extend(bytes);
}

fn put_optional_text(text: Option<&str>, out: &mut Vec<u8>) {
    out.push(u8::from(text.is_some()));
    if let Some(text) = text {
        put_text(text, out);
    }
}

fn put_run(run: &PartitionRun, out: &mut Vec<u8>) {
    out.extend(run.count.to_le_bytes());
    out.extend(run.created_epoch.to_le_bytes());
}

fn put_slots(slots: &Slots, out: &mut Vec<u8>) {
    match slots {
        Slots::From(first) => {
            out.push(SLOTS_FROM);
            out.extend(first.to_le_bytes());
        }
        Slots::Chosen(slots) => {
            out.push(SLOTS_CHOSEN);
            put_count(slots.len(), out);
            slots.iter().for_each(|slot| out.extend(slot.to_le_bytes()));
        }
    }
}

/// The fields that are left.
struct Fields<'a>(&'a [u8]);

impl<'a> Fields<'a> {
    fn take(&mut self, len: usize) -> Result<&'a [u8], BadRecord> {
        let (taken, rest) = self
            .0
            .split_at_checked(len)
            .ok_or_else(|| BadRecord(format!("a field of {len} bytes where {} are left", self.0.len())))?;
        self.0 = rest;
        Ok(taken)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], BadRecord> {
        Ok(self.take(N)?.try_into().expect("taken as many"))
    }

    fn u8(&mut self) -> Result<u8, BadRecord> {
        Ok(u8::from_le_bytes(self.array()?))
    }

    fn u32(&mut self) -> Result<u32, BadRecord> {
        Ok(u32::from_le_bytes(self.array()?))
    }

    fn i32(&mut self) -> Result<i32, BadRecord> {
        Ok(i32::from_le_bytes(self.array()?))
    }

    fn i64(&mut self) -> Result<i64, BadRecord> {
        Ok(i64::from_le_bytes(self.array()?))
    }

    fn bool(&mut self) -> Result<bool, BadRecord> {
        match self.u8()? {
            0 => Ok(false),
            1 => Ok(true),
            other => Err(BadRecord(format!("{other} where 0 or 1 belongs"))),
        }
    }

    fn shards(&mut self) -> Result<u16, BadRecord> {
        match u16::from_le_bytes(self.array()?) {
            0 => Err(BadRecord("a server without shards".to_string())),
            shards => Ok(shards),
        }
    }

    fn topic_id(&mut self) -> Result<TopicId, BadRecord> {
        Ok(TopicId(self.array()?))
    }

    fn directory(&mut self) -> Result<DirectoryId, BadRecord> {
        Ok(DirectoryId(self.array()?))
    }

    fn bytes(&mut self) -> Result<Vec<u8>, BadRecord> {
        let len = self.u32()? as usize;
        Ok(self.take(len)?.to_vec())
    }

    fn mechanism(&mut self) -> Result<ScramMechanism, BadRecord> {
        let code = i8::from_le_bytes(self.array()?);
        ScramMechanism::from_code(code).ok_or_else(|| BadRecord(format!("a SCRAM mechanism {code}")))
    }

    fn text(&mut self) -> Result<String, BadRecord> {
        let len = self.u32()? as usize;
        let bytes = self.take(len)?;
        match std::str::from_utf8(bytes) {
            Ok(text) => Ok(text.to_string()),
            Err(error) => Err(BadRecord(format!("a text is no UTF-8: {error}"))),
        }
    }

    fn optional_text(&mut self) -> Result<Option<String>, BadRecord> {
        if self.bool()? {
            self.text().map(Some)
        } else {
            Ok(None)
        }
    }

    fn list<T>(&mut self, item: impl Fn(&mut Self) -> Result<T, BadRecord>) -> Result<Vec<T>, BadRecord> {
        // Every item takes a byte at least, so the list grows no longer than the bytes there are.
        (0..self.u32()?).map(|_| item(self)).collect()
    }

    fn run(&mut self) -> Result<PartitionRun, BadRecord> {
        Ok(PartitionRun {
            count: self.u32()?,
            created_epoch: self.u32()?,
        })
    }

    fn slots(&mut self) -> Result<Slots, BadRecord> {
        match self.u8()? {
            SLOTS_FROM => Ok(Slots::From(self.u32()?)),
            SLOTS_CHOSEN => Ok(Slots::Chosen(self.list(Fields::u32)?)),
            other => Err(BadRecord(format!("slots of kind {other}"))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn one_of_each() -> Vec<Record> {
        let id = TopicId([7; 16]);
        let run = PartitionRun {
            count: 3,
            created_epoch: 2,
        };
        let overrides = Overrides::from([("retention.ms".to_string(), "5".to_string())]);
        let name = "a.topic".to_string();
        vec![
            Record::ClusterState {
                cluster_id: "cluster".to_string(),
                server_id: 4,
                server_epoch: 9,
                shards: 2,
                next_slot: 77,
                next_producer_id: 5000,
            },
            Record::ServerStarted {
                server_epoch: 10,
                shards: 3,
            },
            Record::TopicCreated {
                id,
                name: name.clone(),
                slots: Slots::From(u32::MAX),
                runs: vec![run],
                overrides,
                next_slot: 2,
            },
            Record::TopicCreated {
                id,
                name,
                slots: Slots::Chosen(vec![1, 0, 1]),
                runs: vec![run],
                overrides: Overrides::new(),
                next_slot: 2,
            },
            Record::TopicDeleted { id },
            Record::PartitionsCreated {
                id,
                run,
                slots: Slots::Chosen(vec![1, 2]),
            },
            Record::TopicConfigSet {
                id,
                name: "x".to_string(),
                value: None,
            },
            Record::TopicConfigSet {
                id,
                name: "x".to_string(),
                value: Some("é".to_string()),
            },
            Record::BrokerConfigSet {
                node: None,
                name: "y".to_string(),
                value: None,
            },
            Record::BrokerConfigSet {
                node: Some(NodeId(1001)),
                name: "y".to_string(),
                value: Some(String::new()),
            },
            Record::ProducerIdsAllocated {
                next_producer_id: i64::MAX,
            },
            Record::ScramCredentialSet {
                user: "ann".to_string(),
                mechanism: ScramMechanism::Sha512,
                credential: ScramCredential::derive(ScramMechanism::Sha512, vec![0, 1], b"salted", 8192),
            },
            Record::ScramCredentialRemoved {
                user: "ann".to_string(),
                mechanism: ScramMechanism::Sha256,
            },
            Record::DirectoriesOnline {
                directories: vec![DirectoryId::HOME, DirectoryId([3; 16])],
            },
            Record::PartitionDirectories {
                id,
                directories: vec![(0, DirectoryId([3; 16])), (2, DirectoryId::HOME)],
            },
            Record::DeletionOwed {
                directory: DirectoryId([3; 16]),
                id,
                name: "gone".to_string(),
                partitions: 7,
            },
            Record::DeletionsSettled {
                directory: DirectoryId([3; 16]),
            },
        ]
    }

    #[test]
    fn every_record_comes_back() {
        let mut bytes = Vec::new();
        for record in one_of_each() {
            encode_record(&record, &mut bytes);
        }
        let mut rest = bytes.as_slice();
        for record in one_of_each() {
            assert_eq!(decode_record(&mut rest), Ok(record));
        }
        assert!(rest.is_empty());
    }

    #[test]
    fn what_is_cut_or_changed_is_an_error_or_another_record_but_no_panic() {
        for record in one_of_each() {
            let mut bytes = Vec::new();
            encode_record(&record, &mut bytes);
            for len in 0..bytes.len() {
                assert!(
                    decode_record(&mut &bytes[..len]).is_err(),
                    "{record:?} cut to {len}"
                );
            }
            for at in 0..bytes.len() {
                for flip in [0x01, 0x80, 0xff] {
                    let mut changed = bytes.clone();
                    changed[at] ^= flip;
                    let _ = decode_record(&mut changed.as_slice());
                }
            }
        }
    }

    /// The bytes of a released format may never change.
    #[test]
    fn the_format_stays() {
        let mut bytes = Vec::new();
        encode_record(
            &Record::ServerStarted {
                server_epoch: 258,
                shards: 3,
            },
            &mut bytes,
        );
        assert_eq!(bytes, [2, 1, 6, 0, 0, 0, 2, 1, 0, 0, 3, 0]);
        bytes.clear();
        let value = Some("v".to_string());
        encode_record(
            &Record::BrokerConfigSet {
                node: Some(NodeId(1)),
                name: "n".to_string(),
                value,
            },
            &mut bytes,
        );
        assert_eq!(
            bytes,
            [
                7, 1, 16, 0, 0, 0, 1, 1, 0, 0, 0, 1, 0, 0, 0, b'n', 1, 1, 0, 0, 0, b'v'
            ]
        );
    }
}
