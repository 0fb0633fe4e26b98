//! A server made of nothing but logs: shards in one process, producers and consumers as tasks.

use super::oracle::{Oracle, below, partition};
use crate::base::ids::{LeaderEpoch, Offset, ShardId, TopicPartition};
use crate::log::*;
use crate::rt;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

pub const DATA_DIR: &str = "/data/log";
pub const PARTITIONS: u8 = 6;

/// What a run of the server is.
#[derive(Clone)]
pub struct Run {
    pub shards: u16,
    pub epoch: i32,
    /// Whether everything must come online: no errors were injected.
    pub all_online: bool,
    /// How many batches each producer writes.
    pub batches: u64,
    pub shutdown: bool,
    pub durability: Durability,
}

fn options(data_dir: Arc<DataDir>, shard: u16) -> ShardLogOptions {
    ShardLogOptions {
        wal_file_bytes: 128 << 10,
        wal_files: 3,
        wal_writes_in_flight: 1 + (below(3) as usize),
        direct_run_bytes: 16 << 10,
        flush_bytes: 8 << 10,
        flush_interval_ms: 20,
        segment_writes_in_flight: 4,
        tail_bytes: [8 << 10, 64 << 10, 1 << 20][below(3) as usize],
        read_cache_bytes: 1 << 20,
        uncommitted_bytes: 1 << 20,
        open_files: 4,
        checkpoint_interval_ms: 30,
        checkpoint_bytes: [1, 10 << 10, 1 << 30][below(3) as usize],
        scan_files_step_bytes: [1, 5 << 10, 1 << 30][below(3) as usize],
        producer_id_expiration_ms: i64::MAX,
        ..ShardLogOptions::new(data_dir, ShardId(shard))
    }
}

fn spec(id: TopicPartition, run: &Run) -> PartitionSpec {
    PartitionSpec {
        topic_id: id.topic,
        topic_name: format!("topic-{}", id.partition).into(),
        partition: id.partition,
        leader_epoch: LeaderEpoch(run.epoch),
        config: Arc::new(TopicLogConfig {
            segment_bytes: 96 << 10,
            index_interval_bytes: 512,
            max_message_bytes: 1 << 20,
            message_timestamp_before_max_ms: i64::MAX,
            durability: run.durability,
            retention_ms: -1,
            ..TopicLogConfig::default()
        }),
    }
}

/// Runs the server until its producers are done (or it is killed).
pub async fn serve(oracle: Oracle, run: Run) {
    let data_dir = match DataDir::open(DATA_DIR) {
        Ok(data_dir) => data_dir,
        Err(e) => {
            // When the power has gone in there, the next wait is the last.
            rt::yield_now().await;
            assert!(!run.all_online, "the data directory opens: {e}");
            return;
        }
    };
    let mut shards = Vec::new();
    for shard in 0..run.shards {
        shards.push(
            ShardLog::open(options(data_dir.clone(), shard))
                .await
                .expect("opens"),
        );
    }
    let recovering: Vec<_> = shards
        .iter()
        .enumerate()
        .map(|(index, shard)| {
            let mine = (0..PARTITIONS).filter(|p| u16::from(*p) % run.shards == index as u16);
            let specs = mine.map(partition).map(|id| spec(id, &run));
            let (shard, specs) = (shard.clone(), specs.collect());
            rt::spawn(async move { shard.recover(specs).await })
        })
        .collect();
    let mut logs = Vec::new();
    for recovered in recovering {
        for (id, log) in recovered.await {
            match log {
                Ok(log) => {
                    if let Err(e) = check_log(&oracle, &log).await {
                        assert!(!run.all_online, "{id:?} can't be read: {e}");
                    }
                    logs.push(log);
                }
                Err(e) => {
                    assert!(!run.all_online, "{id:?} is offline: {e}");
                }
            }
        }
    }
    let removed = data_dir.remove_recovered_wals();
    rt::yield_now().await;
    if removed.is_err() {
        return;
    }
    for shard in &shards {
        if shard.start().await.is_err() {
            assert!(!run.all_online, "the shard starts");
            return;
        }
    }
    let mut tasks = Vec::new();
    for log in &logs {
        tasks.push(rt::spawn(produce(oracle.clone(), log.clone(), run.batches)));
        tasks.push(rt::spawn(consume(oracle.clone(), log.clone(), run.batches)));
    }
    for task in tasks {
        task.await;
    }
    if run.shutdown {
        let mut stopped = true;
        for shard in &shards {
            stopped &= shard.shutdown().await.is_ok();
        }
        assert!(stopped || !run.all_online);
        let marked = data_dir.mark_clean_shutdown();
        // If the power went with it, this is the end.
        rt::yield_now().await;
        assert!(marked.is_ok() || !run.all_online);
    }
}

async fn check_log(oracle: &Oracle, log: &Rc<PartitionLog>) -> Result<(), ReadError> {
    let mut all = Vec::new();
    let mut from = log.log_start();
    while from < log.log_end() {
        let plan = log.read_plan(from, 10_000, MinOneBatch::Yes, ReadUpto::LogEnd)?;
        let bytes = plan.execute().await?.to_vec();
        let last = crate::wire::records::batches(&bytes)
            .last()
            .expect("there is more")
            .expect("whole");
        from = last.header().next_offset();
        all.extend_from_slice(&bytes);
    }
    oracle.check_log(log.id(), &all, log.log_end());
    Ok(())
}

/// An idempotent producer with up to five batches in flight, which retries what was not acknowledged before.
async fn produce(oracle: Oracle, log: Rc<PartitionLog>, batches: u64) {
    let id = log.id();
    let mut waiting = Vec::new();
    let mut left = batches;
    if below(3) == 0 {
        oracle.give_up(id);
    }
    let mut again = oracle.open_batches(id);
    again.reverse();
    'producing: loop {
        let (number, bytes) = match again.pop() {
            Some(open) => open,
            None if left == 0 => break,
            None => {
                left -= 1;
                oracle.make_batch(id)
            }
        };
        let appended = loop {
            match log.append(bytes.clone(), AppendOrigin::Client) {
                Ok(appended) => break appended,
                // As clients do: the same batch again, until there is room.
                Err(AppendError::DiskFull { .. }) => {
                    oracle.refused_for_want_of_room();
                    rt::sleep(Duration::from_millis(20)).await;
                }
                Err(AppendError::Stopped(_) | AppendError::Overloaded) => break 'producing,
                Err(e) => panic!("{id:?} batch {number}: {e}"),
            }
        };
        oracle.appended(id, number, appended.base_offset);
        let (oracle, log_of) = (oracle.clone(), log.clone());
        waiting.push(rt::spawn(async move {
            let durable = log_of.wait_durable(appended.last_offset.plus(1)).await;
            if durable.is_ok() && log_of.config().durability == Durability::Durable {
                oracle.acknowledged(log_of.id(), number);
            }
            durable.is_ok()
        }));
        if waiting.len() == 5 || below(4) == 0 {
            for answer in waiting.drain(..) {
                if !answer.await {
                    return;
                }
            }
        }
        if below(3) == 0 {
            rt::sleep(Duration::from_micros(below(3000))).await;
        }
    }
    for answer in waiting {
        answer.await;
    }
}

/// Reads what consumers may see, from random places.
async fn consume(oracle: Oracle, log: Rc<PartitionLog>, reads: u64) {
    for _ in 0..reads {
        let from = Offset(below(log.high_watermark().0 as u64 + 1) as i64);
        let max = [100, 5000, 200_000][below(3) as usize];
        let plan = log
            .read_plan(from, max, MinOneBatch::Yes, ReadUpto::HighWatermark)
            .expect("in range");
        match plan.execute().await {
            Ok(records) => {
                assert!(from == log.high_watermark() || records.len > 0 || from >= log.log_start());
                if log.config().durability == Durability::Durable {
                    oracle.consumed(log.id(), &records.to_vec());
                }
            }
            Err(ReadError::File(_)) => {}
            Err(e) => panic!("{:?}: {e}", log.id()),
        }
        rt::sleep(Duration::from_micros(below(2000))).await;
    }
}
