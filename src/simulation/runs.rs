//! The runs: what the weather is like, and how long everything takes.

use std::cell::Cell;
use std::rc::Rc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use super::admin::{create_and_delete, create_topic};
use super::client::{Client, MOST_SHARDS};
use super::compaction_end::wait_for_compaction;
use super::consumer::{Sessions, consume};
use super::damage::{look_for_damage, turn_a_bit};
use super::full_disk::{CAPACITY, endure, fill_somehow};
use super::group_member::{Group, take_part};
use super::last_look::{Seen, look};
use super::offset_committer::commit;
use super::oracle::{Oracle, below};
use super::producer::{Kind, produce};
use super::promise::Promise;
use super::server_life::{SERVER, ServerLife};
use super::topic_changes::{configure, grow, trim};
use crate::base::ids::TopicId;
use crate::rt;
use crate::rt::sim::disk::FaultPlan;
use crate::rt::sim::net::{self, NetPlan};
use crate::rt::sim::{self, Sim};

/// When nothing is wrong any more, everything must be done within this time.
const RECOVERY_TIME: Duration = Duration::from_secs(180);

/// Where the power may go, and the most operations there before it does: changes of names and files that belong together.
const CRASH_NEAR: [(&str, u64); 8] = [
    (".cleaned", 12),
    (".cleaned", 12),
    (".swap", 4),
    ("/keyed-", 60),
    ("/wal/", 40),
    ("-checkpoint", 20),
    ("/deletable-", 30),
    (".deleted", 6),
];

const SIMPLE_GROUP: &str = "simple";
const GROUP: &str = "members";

/// What goes wrong in a run.
#[derive(Clone, Copy, Debug)]
struct Weather {
    /// The power goes, or the process is killed.
    crashes: bool,
    /// Writes, reads and syncs fail.
    disk_errors: bool,
    /// Connections are cut, or nothing passes for a while.
    network: bool,
    /// Others fill the disk, and make room again.
    full_disk: bool,
}

impl Weather {
    fn of(seed: u64) -> Weather {
        Weather {
            crashes: !matches!(seed % 10, 0 | 1),
            disk_errors: matches!(seed % 10, 4..=6),
            network: matches!(seed % 10, 1 | 6..=8),
            full_disk: matches!(seed % 10, 1 | 2 | 5 | 8),
        }
    }

    fn is_calm(self) -> bool {
        !self.crashes && !self.disk_errors && !self.network && !self.full_disk
    }
}

fn shards() -> u16 {
    1 + below(MOST_SHARDS.into()) as u16
}

fn between_ms(least: u64, most: u64) -> Duration {
    Duration::from_micros(least * 1000 + below((most - least) * 1000))
}

/// One life of the server in bad weather.
async fn live(weather: Weather, oracle: &Oracle) {
    let disk = sim::disk::of(SERVER);
    let mut plan = FaultPlan {
        slow_chance: [0.0, 0.01][below(2) as usize],
        slow: Duration::from_millis(20),
        // On a slow disk more is in flight when the power goes.
        most_latency: Duration::from_micros([400, 400, 15_000][below(3) as usize]),
        ..FaultPlan::default()
    };
    if weather.disk_errors {
        let chance = [0.0, 0.001, 0.01][below(3) as usize];
        plan.write_error = chance;
        plan.sync_error = chance;
        plan.read_error = [0.0, 0.005][below(2) as usize];
        let paths = [None, Some("wal/".to_string()), Some("topic-".to_string())];
        plan.only_paths_with = paths[below(3) as usize].clone();
    }
    if weather.full_disk {
        plan.capacity_bytes = Some(CAPACITY);
    }
    plan.names_out_of_order = below(3) == 0;
    if weather.crashes && below(2) == 0 {
        match below(2) {
            0 => plan.crash_at_op = Some(1 + below([60, 600][below(2) as usize])),
            _ => {
                let (near, ops) = CRASH_NEAR[below(CRASH_NEAR.len() as u64) as usize];
                plan.crash_near = Some(near.to_string());
                plan.crash_at_op = Some(1 + below(ops));
                plan.names_out_of_order = below(3) > 0;
            }
        }
    }
    disk.set_faults(plan);
    let server = ServerLife::start(shards());
    let span = match below(8) {
        0 => between_ms(0, 20),
        // Long enough for the background to do its work.
        1 => between_ms(5000, 12_000),
        _ => between_ms(100, 800),
    };
    if weather.full_disk {
        for _ in 0..below(4) {
            server.has_ended_within(between_ms(0, 100)).await;
            fill_somehow(&disk);
        }
    }
    if weather.network && below(2) == 0 && !server.has_ended_within(between_ms(50, 200)).await {
        match below(2) {
            0 => net::cut_all(server.process()),
            _ => {
                let clients = sim::current_process();
                net::partition(clients, server.process());
                rt::sleep(between_ms(1, 400)).await;
                net::heal(clients, server.process());
            }
        }
    }
    server.has_ended_within(span).await;
    match below(4) {
        0 | 1 if weather.crashes => sim::kill(server.process()),
        2 if weather.crashes => sim::sigkill(server.process()),
        _ => {
            server.ask_to_stop();
            // A disk that fails may fail the stop as well.
            if !server.has_ended_within(Duration::from_secs(30)).await {
                panic!("the server does not stop");
            }
        }
    }
    let outcome = server.ended().await;
    // What is in memory alone an orderly stop does not save either where the disk fails or is full.
    if outcome != Some(Ok(())) || weather.disk_errors || weather.full_disk {
        oracle.server_died();
    }
    disk.occupy(0);
    let excused = weather.disk_errors || weather.full_disk || outcome.is_none();
    assert!(
        excused || outcome == Some(Ok(())),
        "{outcome:?}, and nothing is wrong"
    );
}

/// The clients of a run.
struct Clients {
    done: Rc<Cell<bool>>,
    stop: Rc<Cell<bool>>,
    tasks: Vec<rt::JoinHandle<()>>,
    group: Group,
}

/// A topic and who uses it: one of them writes, one reads, and what its promise allows happens to it.
struct SpecialTopic {
    working: Vec<rt::JoinHandle<()>>,
    tasks: Vec<rt::JoinHandle<()>>,
    topic: (String, TopicId),
}

async fn use_special_topic(
    oracle: &Oracle,
    name: &str,
    promise: Promise,
    stop: &Rc<Cell<bool>>,
) -> SpecialTopic {
    let mut admin = Client::new(oracle);
    let partitions = create_topic(&mut admin, name, 1 + below(2) as i32, promise).await;
    let kind = match promise {
        // A producer that is told that what it wrote was lost would have to begin anew.
        Promise::UntilDeath => Kind::Plain,
        _ => [Kind::Plain, Kind::Idempotent][below(2) as usize],
    };
    let batches = 15 + below(40);
    let sessions = [Sessions::Yes, Sessions::No][below(2) as usize];
    let working = vec![rt::spawn(produce(
        oracle.clone(),
        kind,
        partitions.clone(),
        batches,
    ))];
    let consuming = consume(oracle.clone(), partitions.clone(), sessions, stop.clone());
    let mut tasks = vec![rt::spawn(consuming)];
    if promise.forgets() && below(2) == 0 {
        tasks.push(rt::spawn(trim(oracle.clone(), partitions.clone(), stop.clone())));
    }
    let topic = (name.to_string(), partitions[0].1.topic);
    SpecialTopic {
        working,
        tasks,
        topic,
    }
}

/// Gives a topic more partitions after a while, and writes to them.
async fn grow_and_produce(oracle: Oracle, name: &'static str, id: TopicId, from: i32) {
    rt::sleep(between_ms(0, 600)).await;
    let mut admin = Client::new(&oracle);
    let more = grow(&mut admin, name, id, from, from + 1 + below(2) as i32).await;
    produce(oracle, Kind::Idempotent, more, 1 + below(10)).await;
}

async fn start_clients(oracle: &Oracle) -> Clients {
    let mut admin = Client::new(oracle);
    let everything = Promise::Everything;
    let mut partitions = create_topic(&mut admin, "topic-0", 1 + below(3) as i32, everything).await;
    let of_topic_1 = create_topic(&mut admin, "topic-1", 1 + below(3) as i32, everything).await;
    let growing = (of_topic_1[0].1.topic, of_topic_1.len() as i32);
    let mut topics = vec![("topic-0".to_string(), partitions[0].1.topic)];
    partitions.extend(of_topic_1);
    let some = |nth: usize| partitions.iter().skip(nth % 2).cloned().collect::<Vec<_>>();
    let stop = Rc::new(Cell::new(false));
    let batches = 8 + below(25);
    let mut working = vec![
        rt::spawn(produce(oracle.clone(), Kind::Idempotent, some(0), batches)),
        rt::spawn(produce(oracle.clone(), Kind::Idempotent, some(1), batches)),
        rt::spawn(produce(oracle.clone(), Kind::Plain, some(0), batches)),
        rt::spawn(create_and_delete(oracle.clone(), 1 + below(3))),
    ];
    if below(3) == 0 {
        let (id, from) = growing;
        working.push(rt::spawn(grow_and_produce(oracle.clone(), "topic-1", id, from)));
    }
    let group = Group {
        oracle: oracle.clone(),
        name: GROUP.to_string(),
        partitions: some(0),
        stop: stop.clone(),
    };
    let instance = [None, Some("instance")][below(2) as usize];
    let mut tasks = vec![
        rt::spawn(consume(oracle.clone(), some(0), Sessions::No, stop.clone())),
        rt::spawn(consume(oracle.clone(), some(1), Sessions::Yes, stop.clone())),
        rt::spawn(commit(
            oracle.clone(),
            SIMPLE_GROUP.to_string(),
            some(0),
            stop.clone(),
        )),
        rt::spawn(take_part(group.clone(), instance)),
        rt::spawn(take_part(group.clone(), None)),
    ];
    let special = [
        ("aged", Promise::retention()),
        ("keyed", Promise::compaction()),
        ("relaxed", Promise::UntilDeath),
    ];
    for (name, promise) in special {
        if below(3) > 0 {
            let used = use_special_topic(oracle, name, promise, &stop).await;
            working.extend(used.working);
            tasks.extend(used.tasks);
            topics.push(used.topic);
        }
    }
    if below(2) == 0 {
        tasks.push(rt::spawn(configure(oracle.clone(), topics, stop.clone())));
    }
    let done = Rc::new(Cell::new(false));
    drop(rt::spawn({
        let done = done.clone();
        async move {
            for task in working.drain(..) {
                task.await;
            }
            done.set(true);
        }
    }));
    Clients {
        done,
        stop,
        tasks,
        group,
    }
}

impl Clients {
    /// Everything that was to be written is, and the group has read it.
    async fn finished(&self) {
        while !self.done.get() || !self.group.has_caught_up() {
            rt::sleep(Duration::from_millis(10)).await;
        }
    }

    async fn stopped(self) {
        self.stop.set(true);
        for task in self.tasks {
            task.await;
        }
    }
}

/// With the server's log lines, where `CORELANE_SIM_LOG` says which, as the setting `logging` does.
fn with_log_lines() {
    if let Ok(filter) = std::env::var("CORELANE_SIM_LOG") {
        let lines = tracing_subscriber::fmt()
            .with_env_filter(filter)
            .with_ansi(false)
            .with_writer(std::io::stderr);
        // Another test may have been first.
        let _ = lines.try_init();
    }
}

async fn run(seed: u64) {
    with_log_lines();
    let weather = Weather::of(seed);
    let oracle = Oracle::default();
    let starting = rt::spawn({
        let oracle = oracle.clone();
        async move { start_clients(&oracle).await }
    });
    if weather.network {
        net::set_plan(NetPlan {
            cut_chance: [0.0, 0.001, 0.01][below(3) as usize],
            most_delay: Duration::from_micros([500, 20_000][below(2) as usize]),
            ..NetPlan::default()
        });
    }
    if !weather.is_calm() {
        for _ in 0..2 + below(4) {
            live(weather, &oracle).await;
        }
    }
    // From here on nothing goes wrong.
    sim::disk::of(SERVER).set_faults(FaultPlan::default());
    net::set_plan(NetPlan::default());
    let server = ServerLife::start(shards());
    server.serving().await;
    oracle.set_calm(weather.is_calm());
    let finished = async {
        let clients = starting.await;
        let changed = match weather.full_disk {
            true => endure(&oracle).await,
            false => false,
        };
        clients.finished().await;
        clients.stopped().await;
        changed
    };
    let Ok(changed_when_full) = rt::timeout(RECOVERY_TIME, finished).await else {
        panic!(
            "everything gets done when nothing is wrong any more, but {}",
            oracle.unfinished(GROUP)
        );
    };
    server.stop().await;

    let server = ServerLife::start(shards());
    server.serving().await;
    wait_for_compaction(&oracle).await;
    let mut seen = look(&oracle, &[GROUP.to_string(), SIMPLE_GROUP.to_string()]).await;
    seen.full = i64::from(changed_when_full);
    let with_damage = below(2) == 0;
    if with_damage && below(2) == 0 {
        sim::sigkill(server.process());
        server.ended().await;
        oracle.server_died();
    } else {
        server.stop().await;
    }
    if with_damage && let Some(damage) = turn_a_bit() {
        let server = ServerLife::start(shards());
        server.serving().await;
        look_for_damage(&oracle, &damage).await;
        server.stop().await;
        seen.damaged = 1;
    }
    assert!(oracle.acknowledged_batches() > 20);
    SEEN.note(seen);
}

/// In how many runs something was gone that may go: a mix in which that never happens proves nothing of it.
struct SeenInAll {
    compacted: AtomicU64,
    forgotten: AtomicU64,
    lost_relaxed: AtomicU64,
    damaged: AtomicU64,
    full: AtomicU64,
}

static SEEN: SeenInAll = SeenInAll {
    compacted: AtomicU64::new(0),
    forgotten: AtomicU64::new(0),
    lost_relaxed: AtomicU64::new(0),
    damaged: AtomicU64::new(0),
    full: AtomicU64::new(0),
};

impl SeenInAll {
    fn note(&self, seen: Seen) {
        for (all, one) in [
            (&self.compacted, seen.compacted),
            (&self.forgotten, seen.forgotten),
            (&self.lost_relaxed, seen.lost_relaxed),
            (&self.damaged, seen.damaged),
            (&self.full, seen.full),
        ] {
            all.fetch_add(u64::from(one > 0), Ordering::Relaxed);
        }
    }

    fn check(&self, runs: u64) {
        for (what, runs_with_it) in [
            ("compaction took records", &self.compacted),
            ("records were deleted", &self.forgotten),
            ("a death took relaxed records", &self.lost_relaxed),
            ("a closed file was damaged", &self.damaged),
            ("a full disk stopped nothing but records", &self.full),
        ] {
            let share = runs_with_it.load(Ordering::Relaxed);
            println!("{what} in {share} of {runs} runs");
            assert!(
                runs < 100 || share > runs / 50,
                "{what} in {share} of {runs} runs"
            );
        }
    }
}

#[test]
fn clients_find_what_they_were_promised() {
    let runs = sim::check_seeds_in_parallel("clients_find_what_they_were_promised", 0..300, run);
    SEEN.check(runs);
}

#[test]
fn the_same_seed_gives_the_same_run() {
    for seed in [3, 6] {
        let trace = || {
            let mut sim = Sim::new(seed);
            sim.run_with(|| run(seed));
            sim.trace_hash()
        };
        assert_eq!(trace(), trace(), "seed {seed}");
    }
}
