//! A run that times writing, and consumers beside it.

use std::cell::RefCell;
use std::rc::Rc;
use std::time::{Duration, Instant};

use anyhow::Context;

use super::PATIENCE;
use super::bench_topics::BenchTopics;
use super::broker_client::BrokerClient;
use super::connection::Connection;
use super::departures::Departures;
use super::fetch_load::FetchLoad;
use super::frame;
use super::generator::{Generator, Until};
use super::live_line::LiveLine;
use super::meter::Meter;
use super::nodes::Connections;
use super::outcome::Outcome;
use super::produce_load::BatchSize;
use super::producers::{self, Producers, Writers};
use super::traffic::Traffic;
use super::window::Window;
use super::workload::{Consumers, Workload};
use super::writing::Writing;
use crate::wire::api::ApiKey;

/// Batches of old records: those of a busy topic.
const BACKLOG_BATCH_BYTES: usize = 256 * 1024;

/// A line of the timeline.
const SLICE: Duration = Duration::from_secs(1);

/// Consumers beside the producers.
struct Readers {
    connections: Connections,
    load: FetchLoad,
}

/// Runs it.
///
/// # Errors
/// When the broker fails.
pub fn measure_produce(
    workload: &Workload,
    topics: &Rc<BenchTopics>,
    backlog: Option<&Rc<BenchTopics>>,
    client: &BrokerClient,
    window: Window,
) -> anyhow::Result<Outcome> {
    let (connections, mut load, mut tail) = writing(workload, topics, client)?;
    let producer_connections = connections.nodes.len();
    let mut opened: Vec<Connection> = connections.opened;
    let mut next_connection = producer_connections;
    next_connection += tail.as_ref().map_or(0, |readers| readers.connections.nodes.len());
    let mut catch_up = None;
    if let (Some(consumers), Some(topics)) = (&workload.catch_up, backlog) {
        catch_up = Some(backlog_readers(
            workload,
            consumers,
            topics,
            client,
            next_connection,
        )?);
    }

    for readers in [&mut tail, &mut catch_up].into_iter().flatten() {
        opened.append(&mut readers.connections.opened);
    }
    let mut generator = Generator::new(opened)?;
    load.go(workload.producers.records_per_s);
    let mut traffic = Traffic::new(&mut *load, producer_connections);
    for readers in [&mut tail, &mut catch_up].into_iter().flatten() {
        traffic.add_readers(&mut readers.load, readers.connections.nodes.len());
    }
    let window = drive(workload, &mut generator, &mut traffic, window)?;
    let unsent = traffic.stop();
    generator.run(&mut traffic, Until::Idle(PATIENCE))?;
    Ok(Outcome {
        window,
        measured: std::mem::replace(load.meter(), Meter::new()),
        end_to_end: tail.map(|readers| readers.load.meter),
        catch_up: catch_up.map(|readers| readers.load.meter),
        unsent,
    })
}

/// The producers, and the groups that read along if there are any.
fn writing(
    workload: &Workload,
    topics: &Rc<BenchTopics>,
    client: &BrokerClient,
) -> anyhow::Result<(Connections, Box<dyn Writing>, Option<Readers>)> {
    if workload.producers.linger_ms.is_some() {
        let (connections, load) = producers::live(workload, topics, client)?;
        return Ok((connections, Box::new(load), None));
    }
    let Some(consumers) = &workload.consumers else {
        let producers = Producers::new(workload, topics, client, Writers::Any)?;
        return Ok((producers.connections, Box::new(producers.load), None));
    };
    let mut producers = Producers::new(workload, topics, client, Writers::One)?;
    client.version(ApiKey::Fetch, frame::FETCH_VERSION)?;
    let departures = Departures::new(topics.leaders.len(), consumers.groups);
    let departures = Rc::new(RefCell::new(departures));
    producers.load.set_departures(Rc::clone(&departures));
    let first = workload.producers.connections;
    let mut readers = tail_readers(topics, consumers, first, producers.batch)?;
    readers.load.set_departures(departures);
    Ok((producers.connections, Box::new(producers.load), Some(readers)))
}

/// Warms up, then counts second by second.
fn drive(
    workload: &Workload,
    generator: &mut Generator,
    traffic: &mut Traffic<'_>,
    mut window: Window,
) -> anyhow::Result<Window> {
    let measured_from = Instant::now() + Duration::from_secs_f64(workload.warm_up_s);
    generator.run(traffic, Until::Time(measured_from))?;
    let begin = Instant::now();
    let end = begin + Duration::from_secs_f64(workload.duration_s);
    let mut live = LiveLine::new();
    window.start()?;
    traffic.set_counting(true);
    let mut slice_begin = begin;
    while slice_begin < end {
        let slice_end = (slice_begin + SLICE).min(end);
        generator.run(traffic, Until::Time(slice_end))?;
        let now = Instant::now();
        live.show(traffic.end_slice(now.duration_since(begin), now.duration_since(slice_begin)));
        slice_begin = now;
    }
    window.stop()?;
    traffic.set_counting(false);
    Ok(window)
}

/// Groups that read what is written, from the first record on.
fn tail_readers(
    topics: &Rc<BenchTopics>,
    consumers: &Consumers,
    first_connection: usize,
    batch: BatchSize,
) -> anyhow::Result<Readers> {
    readers(topics, consumers, first_connection, batch, |_| (0, i64::MAX))
}

/// Groups that read old records again and again, which are written first.
fn backlog_readers(
    workload: &Workload,
    consumers: &Consumers,
    topics: &Rc<BenchTopics>,
    client: &BrokerClient,
    first_connection: usize,
) -> anyhow::Result<Readers> {
    let mut writing = workload.clone();
    writing.producers.batch_bytes = BACKLOG_BATCH_BYTES;
    writing.producers.partitions_per_request = 1;
    let mut producers = Producers::new(&writing, topics, client, Writers::Any)?;
    let requests = consumers
        .backlog_bytes
        .div_ceil(producers.load.batch_bytes_per_request());
    producers.load.set_requests_left(requests);
    Generator::new(producers.connections.opened)?
        .run(&mut producers.load, Until::Idle(PATIENCE))
        .context("writing the backlog")?;
    let written = producers.load.written_records();
    let range = |partition: usize| (0, written[partition] as i64);
    let mut readers = readers(topics, consumers, first_connection, producers.batch, range)?;
    readers.load.set_repeat(true);
    Ok(readers)
}

/// Groups that read partitions from where to where `range` says. Each has connections of its own, as it would have in life.
fn readers(
    topics: &Rc<BenchTopics>,
    consumers: &Consumers,
    first_connection: usize,
    batch: BatchSize,
    range: impl Fn(usize) -> (i64, i64),
) -> anyhow::Result<Readers> {
    let mut connections = Connections::default();
    let mut lanes = Vec::new();
    for group in 0..consumers.groups {
        let first = connections.opened.len();
        let of_group = Connections::open(
            &topics.leaders,
            first_connection + first,
            consumers.connections,
            consumers.in_flight,
        )?;
        lanes.extend(of_group.lanes(topics, consumers.in_flight, group, first, &range));
        connections.append(of_group);
    }
    let build = frame::fetch_builder(Rc::clone(topics), consumers);
    let load = FetchLoad::new(lanes, batch, build, topics.partitions_per_topic());
    Ok(Readers { connections, load })
}
