//! A server that does not run, for the commands that change its files: its data directories, taken as a server takes them, and its metadata.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context, bail};
use clap::Args;

use crate::base::ids::TopicId;
use crate::cli::serve::{DataDirectories, ServeArgs, start_settings};
use crate::config::StaticSettings;
use crate::log::{DataDir, DataDirs, Directory};
use crate::metadata::{
    ClusterImage, MetadataLog, Record, TopicImage, Versions, plan_directories, plan_start,
};
use crate::rt;
use crate::shard::{bring_to_segments, take_up_directories};

/// Whose files are meant.
#[derive(Clone, Debug, Args)]
pub struct ServerArgs {
    /// Settings file of the server
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Directory with the server's data; all of them, if there are more than one [default: ./corelane-data]
    #[arg(long, value_name = "DIR")]
    data_dir: Vec<PathBuf>,
    /// Any setting; wins over the file
    #[arg(long, value_name = "KEY=VALUE")]
    set: Vec<String>,
}

impl ServerArgs {
    /// The same, of a server with this data directory if nothing says another one.
    pub fn or_dir(&self, dir: &Path) -> ServerArgs {
        let mut args = self.clone();
        if args.config.is_none() && args.data_dir.is_empty() && args.set.is_empty() {
            args.data_dir.push(dir.to_path_buf());
        }
        args
    }

    /// The server's settings.
    pub fn settings(&self) -> anyhow::Result<StaticSettings> {
        start_settings(&ServeArgs {
            config: self.config.clone(),
            listen: Vec::new(),
            data_dir: self.data_dir.clone(),
            shards: None,
            cpus: None,
            set: self.set.clone(),
        })
    }
}

/// A server's data, for this process alone while the value lives.
pub struct StoppedServer {
    metadata: MetadataLog,
    image: ClusterImage,
    data_dirs: Arc<DataDirs>,
    /// Goes last: another process may have the directories only then.
    _directories: DataDirectories,
}

impl StoppedServer {
    /// Takes the data directories, making them if they are not there, and reads the metadata; a server that was never started is founded.
    pub fn open(args: &ServerArgs) -> anyhow::Result<StoppedServer> {
        let fixed = args.settings()?;
        let settings = fixed.settings();
        let directories = DataDirectories::take(&settings)?;
        let data_dirs = DataDirs::open(directories.paths(), directories.founded())?;
        let loaded = MetadataLog::open(directories.home(), Arc::new(fixed))?;
        let mut server = StoppedServer {
            metadata: loaded.log,
            image: loaded.image,
            data_dirs,
            _directories: directories,
        };
        if server.image.version() == 0 {
            let online = server.data_dirs.online_ids();
            let (records, image) =
                plan_start(&server.image, settings.server_id, 1, &online, random_cluster_id)?;
            server.append(&records, image)?;
        }
        take_up_directories(&server.data_dirs, &server.image).map_err(|reason| anyhow::anyhow!(reason))?;
        Ok(server)
    }

    /// Has new partitions placed in the data directories that are new, too, as a start with them does.
    pub fn use_new_directories(&mut self) -> anyhow::Result<()> {
        let online = self.data_dirs.online_ids();
        let known = self.image.directories_online();
        // One that is missing is not taken for gone: what is to be placed there is refused.
        if known != online && known.iter().all(|one| online.contains(one)) {
            let (records, image) = plan_directories(&self.image, &online);
            self.append(&records, image)?;
        }
        Ok(())
    }

    /// The topics and their configs.
    pub fn image(&self) -> &ClusterImage {
        &self.image
    }

    /// All data directories.
    pub fn data_dirs(&self) -> &Arc<DataDirs> {
        &self.data_dirs
    }

    /// The data directory a partition is in.
    pub fn directory_of(&self, topic: &TopicImage, partition: i32) -> anyhow::Result<&Arc<DataDir>> {
        let directory = self.data_dirs.by_id(topic.directory(partition));
        let online = directory.and_then(|directory| directory.online());
        online.with_context(|| {
            format!(
                "partition {partition} of {} is in a data directory that is not there: name all of them",
                topic.name()
            )
        })
    }

    /// Sees that the segments of a topic hold all that was acknowledged, as after an orderly end.
    pub fn bring_to_segments(&self, topic: &TopicImage) -> anyhow::Result<()> {
        let left = |directory: &Directory| {
            let online = directory.online();
            online.is_some_and(|data_dir| !data_dir.recovered_wals().is_empty())
        };
        if !self.data_dirs.all().iter().any(left) {
            return Ok(());
        }
        rt::probe()?;
        let (data_dirs, image) = (self.data_dirs.clone(), self.image.clone());
        let offline = rt::run_on_shard(move || async move { bring_to_segments(data_dirs, &image).await })??;
        match offline.into_iter().find(|(id, _)| id.topic == topic.id()) {
            None => Ok(()),
            Some((id, reason)) => bail!(
                "partition {} of {} can't be taken up: {reason}",
                id.partition,
                topic.name()
            ),
        }
    }

    /// Makes records durable that lead to an image.
    pub fn append(&mut self, records: &[Record], image: ClusterImage) -> anyhow::Result<()> {
        let versions = Versions {
            before: self.image.version(),
            after: image.version(),
        };
        self.metadata
            .append(versions, records)
            .context("could not note it in the metadata")?;
        self.image = image;
        Ok(())
    }
}

fn random_cluster_id() -> String {
    let mut bytes = [0; 16];
    rt::random_bytes(&mut bytes);
    TopicId::from_random(bytes).to_string()
}
