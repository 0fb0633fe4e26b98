//! `bench run`: one workload from its file to its report.

use std::rc::Rc;
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};

use super::args::RunArgs;
use super::bench_topic::BenchTopic;
use super::broker_client::{BrokerClient, connect};
use super::broker_process::BrokerProcess;
use super::connection::Connection;
use super::fetch_load::{FetchLoad, Lane, PartitionCursor};
use super::frame;
use super::generator::{Generator, Until};
use super::meter::Meter;
use super::page_cache::drop_page_cache;
use super::produce_load::{BatchSize, ProduceFrame, ProduceLoad};
use super::report::Report;
use super::workload::{Cache, Consumers, Measure, Workload};
use crate::wire::api::ApiKey;

/// How long a broker may be silent with requests open. Cold disks and collected garbage stay far below.
const PATIENCE: Duration = Duration::from_secs(60);

/// Runs a workload and returns what was measured.
///
/// # Errors
/// When the workload makes no sense, the broker fails a request, or something between does.
pub fn run(args: &RunArgs) -> anyhow::Result<Report> {
    let mut workload = Workload::load(&args.workload)?;
    workload.duration_s = args.duration_s.unwrap_or(workload.duration_s);
    workload.warm_up_s = args.warm_up_s.unwrap_or(workload.warm_up_s);
    if let Some(cpu) = args.cpu {
        stay_on(cpu)?;
    }
    let broker = args.broker_pid.map(BrokerProcess::new).transpose()?;
    let mut client = BrokerClient::connect(&args.bootstrap)?;
    let topic = BenchTopic::create(&mut client, &workload)?;
    let outcome = measure(&workload, &topic, &mut client, broker);
    if !args.keep_topic {
        topic.delete(&mut client)?;
    }
    Report::new(&workload, &args.bootstrap, args.cpu, broker, &outcome?)
}

fn measure(
    workload: &Workload,
    topic: &BenchTopic,
    client: &mut BrokerClient,
    broker: Option<BrokerProcess>,
) -> anyhow::Result<Meter> {
    let producers = Producers::new(workload, topic, client, Meter::new(broker))?;
    match (workload.measure, &workload.consumers) {
        (Measure::Produce, _) => measure_produce(workload, producers),
        (Measure::Fetch, Some(consumers)) => {
            client.version(ApiKey::Fetch, frame::FETCH_VERSION)?;
            measure_fetch(workload, consumers, topic, producers, Meter::new(broker))
        }
        (Measure::Fetch, None) => unreachable!("checked when the workload was read"),
    }
}

fn measure_produce(workload: &Workload, mut producers: Producers) -> anyhow::Result<Meter> {
    producers.load.set_requests_left(u64::MAX);
    let measured_from = Instant::now() + Duration::from_secs_f64(workload.warm_up_s);
    producers
        .generator
        .run(&mut producers.load, Until::Time(measured_from))?;
    producers.load.meter.start()?;
    let end = Instant::now() + Duration::from_secs_f64(workload.duration_s);
    producers.generator.run(&mut producers.load, Until::Time(end))?;
    producers.load.meter.stop()?;
    producers.load.set_requests_left(0);
    producers
        .generator
        .run(&mut producers.load, Until::Idle(PATIENCE))?;
    Ok(producers.load.meter)
}

fn measure_fetch(
    workload: &Workload,
    consumers: &Consumers,
    topic: &BenchTopic,
    mut producers: Producers,
    meter: Meter,
) -> anyhow::Result<Meter> {
    let (connections, nodes) = connect_evenly(&topic.leaders, consumers.connections, consumers.in_flight)?;
    let mut generator = Generator::new(connections)?;
    let build = |cursors: &[PartitionCursor]| frame::fetch(&topic.name, cursors, consumers);
    let mut load = FetchLoad::new(Vec::new(), producers.batch, build, meter);
    let requests = consumers
        .backlog_bytes
        .div_ceil(producers.load.batch_bytes_per_request());
    let warm_up = Duration::from_secs_f64(workload.warm_up_s);
    let duration = Duration::from_secs_f64(workload.duration_s);
    let mut warmed_up = Duration::ZERO;
    while load.meter.elapsed < duration {
        let begin = producers.load.written_records().to_vec();
        producers.load.set_requests_left(requests);
        producers
            .generator
            .run(&mut producers.load, Until::Idle(PATIENCE))?;
        let end = producers.load.written_records();
        if consumers.cache == Cache::Cold {
            drop_page_cache()?;
        }
        for _ in 0..consumers.groups {
            load.set_lanes(lanes(topic, &nodes, consumers.in_flight, &begin, end));
            let counted = warmed_up >= warm_up;
            let since = Instant::now();
            if counted {
                load.meter.start()?;
            }
            generator.run(&mut load, Until::Idle(PATIENCE))?;
            if counted {
                load.meter.stop()?;
            } else {
                warmed_up += since.elapsed();
            }
        }
    }
    Ok(load.meter)
}

/// The writing side: connections to the leaders, and the frames for each.
struct Producers {
    generator: Generator,
    load: ProduceLoad,
    batch: BatchSize,
}

impl Producers {
    fn new(
        workload: &Workload,
        topic: &BenchTopic,
        client: &BrokerClient,
        meter: Meter,
    ) -> anyhow::Result<Producers> {
        let producers = &workload.producers;
        let version = client.version(ApiKey::Produce, *frame::PRODUCE_VERSIONS.end())?;
        ensure!(
            frame::PRODUCE_VERSIONS.contains(&version),
            "the broker knows Produce only up to version {version}"
        );
        let (batch_bytes, records) = frame::record_batch(workload)?;
        let batch = BatchSize {
            records,
            bytes: batch_bytes.len() as u64,
        };
        let (connections, nodes) =
            connect_evenly(&topic.leaders, producers.connections, producers.in_flight)?;
        let mut frames = Vec::new();
        let mut frames_of_node = Vec::new();
        for node in distinct(&topic.leaders) {
            let first = frames.len();
            for partitions in led_by(topic, node).chunks(producers.partitions_per_request) {
                frames.push(ProduceFrame {
                    frame: frame::produce(&topic.name, partitions, &batch_bytes, workload, version)?,
                    partitions: partitions.to_vec(),
                });
            }
            frames_of_node.push((node, (first..frames.len()).collect::<Vec<usize>>()));
        }
        let by_connection = nodes
            .iter()
            .map(|node| {
                let (_, frames) = frames_of_node
                    .iter()
                    .find(|(name, _)| **name == **node)
                    .expect("a node that leads");
                frames.clone()
            })
            .collect();
        let load = ProduceLoad::new(frames, batch, by_connection, topic.leaders.len(), meter);
        Ok(Producers {
            generator: Generator::new(connections)?,
            load,
            batch,
        })
    }
}

/// Opens connections to the leaders in turn. Also gives the node of each connection.
fn connect_evenly(
    leaders: &[String],
    connections: usize,
    in_flight: usize,
) -> anyhow::Result<(Vec<Connection>, Vec<Rc<str>>)> {
    let nodes = distinct(leaders);
    ensure!(
        connections >= nodes.len(),
        "{connections} connections can't reach all {} nodes that lead partitions",
        nodes.len()
    );
    let mut opened = Vec::new();
    let mut node_of = Vec::new();
    for i in 0..connections {
        let node = nodes[i % nodes.len()];
        opened.push(Connection::new(i, connect(node)?, in_flight)?);
        node_of.push(Rc::from(node));
    }
    Ok((opened, node_of))
}

/// Splits what each node leads over the connections to it, and over `in_flight` lanes of each.
fn lanes(topic: &BenchTopic, nodes: &[Rc<str>], in_flight: usize, begin: &[u64], end: &[u64]) -> Vec<Lane> {
    let mut lanes = Vec::new();
    for node in distinct(&topic.leaders) {
        let connections: Vec<usize> = (0..nodes.len()).filter(|i| *nodes[*i] == *node).collect();
        let count = connections.len() * in_flight;
        let mut shares: Vec<Vec<PartitionCursor>> = vec![Vec::new(); count];
        for (i, partition) in led_by(topic, node).into_iter().enumerate() {
            let index = partition as usize;
            shares[i % count].push(PartitionCursor {
                partition,
                next: begin[index] as i64,
                end: end[index] as i64,
            });
        }
        for (i, share) in shares.into_iter().enumerate() {
            if !share.is_empty() {
                lanes.push(Lane::new(connections[i % connections.len()], share));
            }
        }
    }
    lanes
}

fn distinct(leaders: &[String]) -> Vec<&str> {
    let mut nodes: Vec<&str> = leaders.iter().map(String::as_str).collect();
    nodes.sort_unstable();
    nodes.dedup();
    nodes
}

fn led_by(topic: &BenchTopic, node: &str) -> Vec<i32> {
    (0i32..)
        .zip(&topic.leaders)
        .filter(|(_, leader)| *leader == node)
        .map(|(i, _)| i)
        .collect()
}

fn stay_on(cpu: usize) -> anyhow::Result<()> {
    let mut set = rustix::thread::CpuSet::new();
    set.set(cpu);
    rustix::thread::sched_setaffinity(None, &set).with_context(|| format!("CPU {cpu} can't be used"))
}
