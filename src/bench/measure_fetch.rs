//! A run that times reading: a backlog is written, which is not timed, then read, and again while there is time.

use std::rc::Rc;
use std::time::{Duration, Instant};

use super::PATIENCE;
use super::bench_topics::BenchTopics;
use super::broker_client::BrokerClient;
use super::fetch_load::FetchLoad;
use super::frame;
use super::generator::{Generator, Until};
use super::live_line::LiveLine;
use super::nodes::Connections;
use super::outcome::Outcome;
use super::page_cache::drop_page_cache;
use super::producers::{Producers, Writers};
use super::window::Window;
use super::workload::{Cache, Consumers, Workload};
use crate::wire::api::ApiKey;

/// Runs it.
///
/// # Errors
/// When the broker fails, or the page cache was to be emptied and can't be.
pub fn measure_fetch(
    workload: &Workload,
    consumers: &Consumers,
    topics: &Rc<BenchTopics>,
    client: &BrokerClient,
    mut window: Window,
) -> anyhow::Result<Outcome> {
    client.version(ApiKey::Fetch, frame::FETCH_VERSION)?;
    let producers = Producers::new(workload, topics, client, Writers::Any)?;
    let mut writing = Generator::new(producers.connections.opened)?;
    let mut written = producers.load;
    let mut readers = Connections::open(&topics.leaders, 0, consumers.connections, consumers.in_flight)?;
    let mut generator = Generator::new(std::mem::take(&mut readers.opened))?;
    let mut load = FetchLoad::new(
        Vec::new(),
        producers.batch,
        frame::fetch_builder(Rc::clone(topics), consumers),
        topics.partitions_per_topic(),
    );
    let requests = consumers
        .backlog_bytes
        .div_ceil(written.batch_bytes_per_request());
    let warm_up = Duration::from_secs_f64(workload.warm_up_s);
    let duration = Duration::from_secs_f64(workload.duration_s);
    let mut warmed_up = Duration::ZERO;
    let mut live = LiveLine::new();
    while window.elapsed < duration {
        let begin = written.written_records().to_vec();
        written.set_requests_left(requests);
        writing.run(&mut written, Until::Idle(PATIENCE))?;
        let end = written.written_records();
        if consumers.cache == Cache::Cold {
            drop_page_cache()?;
        }
        for _ in 0..consumers.groups {
            load.set_lanes(readers.lanes(topics, consumers.in_flight, 0, 0, |partition| {
                (begin[partition] as i64, end[partition] as i64)
            }));
            let counted = warmed_up >= warm_up;
            let since = Instant::now();
            if counted {
                window.start()?;
                load.meter.set_counting(true);
            }
            generator.run(&mut load, Until::Idle(PATIENCE))?;
            if counted {
                load.meter.set_counting(false);
                window.stop()?;
                live.show(load.meter.end_slice(window.elapsed, since.elapsed()));
            } else {
                warmed_up += since.elapsed();
            }
        }
    }
    Ok(Outcome {
        window,
        measured: load.meter,
        end_to_end: None,
        catch_up: None,
        unsent: 0,
    })
}
