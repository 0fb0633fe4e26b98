//! A shard thread from its start to its end.

use std::rc::Rc;

use crate::base::ids::NodeId;
use crate::log::ShardLogOptions;
use crate::rt;
use crate::server::accept::accept_connections;
use crate::server::state::ServerState;
use crate::shard::message::{ToControl, ToShard};
use crate::shard::{DirectoryLogs, Shard, ShardStart, run_relocations, watch_directories};

/// Runs a shard: recovers, waits until all shards have, serves until told to stop.
///
/// Says `Recovered`, `Serving` and `Stopped` to the control thread, or `Failed` once with the reason, after which it does no more.
pub async fn run_shard(start: ShardStart) {
    let (id, control) = (start.id, start.control.clone());
    if let Err(reason) = run(start).await {
        control.send(ToControl::Failed { shard: id, reason }).await;
    }
}

async fn run(start: ShardStart) -> Result<(), String> {
    let ShardStart {
        id,
        image,
        data_dirs,
        mut inbox,
        control,
        listeners,
        open_files,
        change_log_options,
    } = start;
    let settings = image.settings(NodeId::of(image.server().server_id, id));
    let shards = image.server().shards;
    let change_options = |options: &mut ShardLogOptions| {
        options.open_files = open_files.segment_files;
        change_log_options(options);
    };
    let logs = DirectoryLogs::open(data_dirs, &settings, id, shards, change_options).await;
    let logs = logs.map_err(|error| error.to_string())?;
    let shard = Rc::new(Shard::new(id, control.clone(), logs, image));
    let offline = shard.recover().await;
    control.send(ToControl::Recovered { shard: id, offline }).await;

    match inbox.recv().await {
        // Nothing is deleted before all serve.
        Some(ToShard::Serve(image)) => drop(shard.apply_image(image).await),
        // Told to stop before it served, or the control thread is gone: everything is durable already.
        _ => {
            control.send(ToControl::Stopped { shard: id }).await;
            return Ok(());
        }
    }
    shard.start().await.map_err(|error| error.to_string())?;
    let watching = watch_directories(&shard);
    let server = Rc::new(ServerState::new(shard.clone(), open_files.connections));
    let accepting: Vec<_> = listeners
        .into_iter()
        .map(|listener| rt::spawn(accept_connections(server.clone(), listener.into_listener())))
        .collect();
    let relocating = rt::spawn(run_relocations(shard.clone()));
    control.send(ToControl::Serving { shard: id }).await;

    follow_control(&server, inbox).await;

    // Nobody takes answers from the control thread any more, and connections end only when their handlers have.
    shard.control.close();
    server.stop();
    shard.prepare_shutdown();
    shard.relocations.close();
    for task in accepting {
        task.await;
    }
    server.closed().await;
    relocating.await;
    let closed = shard.shutdown().await;
    for task in watching {
        task.await;
    }
    closed.map_err(|error| error.to_string())?;
    control.send(ToControl::Stopped { shard: id }).await;
    Ok(())
}

/// Does what the control thread says until it says shutdown.
async fn follow_control(server: &ServerState, mut inbox: rt::mailbox::Receiver<ToShard>) {
    let shard = &server.shard;
    while let Some(message) = inbox.recv().await {
        match message {
            ToShard::NewImage(image) => {
                let version = image.version();
                let undeleted = shard.apply_image(image).await;
                shard
                    .control
                    .port()
                    .send(ToControl::ImageApplied {
                        shard: shard.id,
                        version,
                        undeleted,
                    })
                    .await;
            }
            ToShard::ChangeAnswer { id, answer } => shard.control.answer(id, answer),
            ToShard::MetricsRequest => {
                let snapshot = shard.metrics_snapshot(server.connections() as u64);
                shard
                    .control
                    .port()
                    .send(ToControl::Metrics {
                        shard: shard.id,
                        snapshot,
                    })
                    .await;
            }
            ToShard::Shutdown => return,
            ToShard::Serve(_) => unreachable!("the control thread says it once"),
        }
    }
}
