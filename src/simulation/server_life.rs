//! One life of the server, from its start to its end, as a process of the simulation.

use std::cell::{Cell, RefCell};
use std::net::{Ipv4Addr, SocketAddr};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use super::client::BASE_PORT;
use super::oracle::below;
use crate::base::ids::{DirectoryId, ShardId};
use crate::config::StaticSettings;
use crate::control::{ControlOptions, LaneStart, Lanes, StopRequest, run_control};
use crate::log::{DataDirs, ShardLogOptions};
use crate::metadata::{ClusterImage, MetadataLog};
use crate::rt::disk::blocking;
use crate::rt::net::BoundListener;
use crate::rt::sim::{self, Exit, ProcessId};
use crate::rt::{self, RuntimeUnavailable, ShardThread, mailbox};
use crate::server::run_shard;
use crate::shard::{OpenFileLimits, ShardStart, take_up_directories};

/// The name of the server's process, and so of its disk.
pub const SERVER: &str = "server";
pub const DATA_DIR: &str = "/data";

/// Time in which a server that is told to stop has to end, and one that starts has to serve.
const PATIENCE: Duration = Duration::from_secs(60);

/// What ends sooner under simulated time than by default.
const SETTINGS: &[&str] = &[
    "disk_reserve_bytes=4194304",
    "auto.create.topics.enable=false",
    "offsets.topic.num.partitions=3",
    "group.initial.rebalance.delay.ms=10",
    "group.min.session.timeout.ms=500",
    "log.segment.bytes=1048576",
    // Segments are full long before, by their indexes.
    "log.index.size.max.bytes=120",
    "log.index.interval.bytes=1000",
    "log.segment.delete.delay.ms=20",
    "log.retention.check.interval.ms=70",
    "log.cleaner.backoff.ms=50",
    "log.cleaner.min.cleanable.ratio=0.2",
    "log.flush.offset.checkpoint.interval.ms=100",
    "log.message.timestamp.before.max.ms=9223372036854775807",
];

/// What no setting says: little memory, and background work that begins soon, so that a short life is full of it.
fn hurry(options: &mut ShardLogOptions) {
    options.wal_file_bytes = [64 << 10, 512 << 10][below(2) as usize];
    options.wal_files = 2 + below(3) as u16;
    options.direct_run_bytes = [8 << 10, 32 << 10][below(2) as usize];
    // Where flushes are rare the write-ahead log's ring is what asks for them.
    options.flush_bytes = [4 << 10, 4 << 10, 1 << 20][below(3) as usize];
    options.flush_interval_ms = [5, 100, 5000][below(3) as usize];
    if options.wal_files == 3 {
        // A stop has no time for most of its work.
        options.stop_closes_at_least = 2;
        options.stop_within_ms = 0;
    }
    options.tail_bytes = [4 << 10, 32 << 10, 16 << 20][below(3) as usize];
    options.read_cache_bytes = [0, 64 << 10][below(2) as usize];
    options.open_files = [2, 512][below(2) as usize];
    options.checkpoint_bytes = [4 << 10, 64 << 20][below(2) as usize];
    options.scan_files_step_bytes = [4 << 10, 16 << 20][below(2) as usize];
}

/// A running server.
pub struct ServerLife {
    process: ProcessId,
    stopper: mailbox::Sender<StopRequest>,
    serving: Rc<Cell<bool>>,
    outcome: Rc<RefCell<Option<Result<(), String>>>>,
}

impl ServerLife {
    /// Starts a server on what the one before has left.
    pub fn start(shards: u16) -> ServerLife {
        ServerLife::start_on(shards, &[DATA_DIR])
    }

    /// The same with these data directories, the one with the metadata first.
    pub fn start_on(shards: u16, dirs: &'static [&'static str]) -> ServerLife {
        let (stopper, stop) = mailbox::channel(1);
        let serving = Rc::new(Cell::new(false));
        let outcome = Rc::new(RefCell::new(None));
        let process = sim::spawn_process(SERVER, {
            let (serving, outcome) = (serving.clone(), outcome.clone());
            async move {
                let result = serve(shards, dirs, serving, stop).await;
                // A planned crash happens at the next wait.
                rt::yield_now().await;
                *outcome.borrow_mut() = Some(result);
            }
        });
        ServerLife {
            process,
            stopper,
            serving,
            outcome,
        }
    }

    /// The server's process.
    pub fn process(&self) -> ProcessId {
        self.process
    }

    /// Waits until every shard serves.
    pub async fn serving(&self) {
        let serving = async {
            while !self.serving.get() {
                if let Some(Err(error)) = &*self.outcome.borrow() {
                    panic!("the server does not start: {error}");
                }
                rt::sleep(Duration::from_millis(1)).await;
            }
        };
        rt::timeout(PATIENCE, serving).await.expect("the server starts");
    }

    /// Waits until the server has ended by itself, for this long at most.
    pub async fn has_ended_within(&self, time: Duration) -> bool {
        rt::timeout(time, sim::exited(self.process)).await.is_ok()
    }

    /// Asks the server to stop.
    pub fn ask_to_stop(&self) {
        // It may be gone already.
        let _ = self.stopper.try_send(StopRequest);
    }

    /// Waits for the end of a server that was killed or told to stop. What it said, if it was able to.
    pub async fn ended(self) -> Option<Result<(), String>> {
        let exit = rt::timeout(PATIENCE, sim::exited(self.process)).await;
        let exit = exit.expect("the server ends");
        // A killed process is gone, and its lock free, only when the kernel has done what was in flight.
        rt::sleep(Duration::from_millis(100)).await;
        match exit {
            Exit::Finished => Some(self.outcome.take().expect("a result")),
            Exit::Killed => None,
        }
    }

    /// Stops a server that nothing troubles.
    pub async fn stop(self) {
        self.ask_to_stop();
        let outcome = self.ended().await;
        assert_eq!(outcome, Some(Ok(())), "an orderly end");
    }
}

async fn serve(
    shards: u16,
    dirs: &[&str],
    serving: Rc<Cell<bool>>,
    stop: mailbox::Receiver<StopRequest>,
) -> Result<(), String> {
    let text = |error: &dyn std::fmt::Display| error.to_string();
    blocking::create_dir_all(dirs[0]).map_err(|error| text(&error))?;
    let founded = MetadataLog::is_in(dirs[0].as_ref());
    let paths: Vec<_> = dirs.iter().map(Into::into).collect();
    let data_dirs = DataDirs::open(&paths, founded).map_err(|error| text(&error))?;
    let mut fixed = StaticSettings::default();
    for setting in SETTINGS {
        fixed.add_assignment(setting).expect("a good setting");
    }
    let options = ControlOptions {
        fixed: Arc::new(fixed),
        data_dir: dirs[0].into(),
        shards,
        counters: Arc::default(),
    };
    let address = |shard: u16| SocketAddr::from((Ipv4Addr::LOCALHOST, BASE_PORT + shard));
    let listeners = (0..shards).map(|shard| vec![rt::net::bind(address(shard)).expect("a free port")]);
    let mut lanes = SimulatedLanes {
        data_dirs,
        listeners: listeners.collect(),
        serving,
    };
    run_control(options, &mut lanes, stop)
        .await
        .map_err(|error| text(&error))
}

struct SimulatedLanes {
    data_dirs: Arc<DataDirs>,
    listeners: Vec<Vec<BoundListener>>,
    serving: Rc<Cell<bool>>,
}

impl Lanes for SimulatedLanes {
    fn directories(&self) -> Vec<DirectoryId> {
        self.data_dirs.online_ids()
    }

    fn metadata_loaded(&mut self, image: &ClusterImage) -> Result<Vec<DirectoryId>, String> {
        take_up_directories(&self.data_dirs, image)
    }

    fn start(&mut self, start: LaneStart) -> Result<ShardThread, RuntimeUnavailable> {
        let data_dirs = self.data_dirs.clone();
        let listeners = std::mem::take(&mut self.listeners[usize::from(start.id.0)]);
        let ShardId(number) = start.id;
        rt::spawn_shard(format!("shard-{number}"), None, move || {
            let LaneStart {
                id,
                image,
                inbox,
                control,
            } = start;
            run_shard(ShardStart {
                id,
                image,
                data_dirs,
                inbox,
                control,
                listeners,
                open_files: OpenFileLimits::plenty(),
                change_log_options: hurry,
            })
        })
    }

    fn make_room_for_metadata(&mut self) -> bool {
        self.data_dirs.make_room_for_metadata()
    }

    fn all_recovered(&mut self) -> Result<(), String> {
        self.data_dirs
            .remove_recovered_wals()
            .map_err(|error| error.to_string())
    }

    fn all_serving(&mut self, _image: &ClusterImage) {
        self.serving.set(true);
    }

    fn all_stopped(&mut self) -> Result<(), String> {
        self.data_dirs
            .mark_clean_shutdown()
            .map_err(|error| error.to_string())
    }
}
