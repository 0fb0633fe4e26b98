//! The disk's operations as shards see them: started, some time later done.

use super::device::{Disk, Kind, Power};
use super::file_node::Durability;
use super::tree::{NodeId, Tree};
use super::{IoBuf, ReadBuf, blocking};
use crate::rt::disk::{DirEntry, OpenOptions, Space};
use crate::rt::sim::process::current_disk;
use crate::rt::sim::world::{World, world};
use crate::rt::sync::oneshot;
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::rc::Rc;

/// Starts an operation and waits for it. `finish` runs when it is done, also if nobody waits any more, but not after a
/// crash.
async fn operate<T: 'static>(
    disk: Rc<Disk>,
    kind: Kind,
    path: &Path,
    finish: impl FnOnce(&Disk, &World) -> io::Result<T> + 'static,
) -> io::Result<T> {
    let receiver = {
        let world = world();
        let (sender, receiver) = oneshot::channel();
        if disk.begin(&world, world.processes.current(), kind, path) == Power::On {
            let epoch = disk.epoch();
            world.schedule(disk.latency(&world), move |world| {
                if disk.epoch() == epoch {
                    // The operation is done, whether somebody still waits for it or not.
                    let _ = sender.send(finish(&disk, world));
                }
            });
        }
        receiver
    };
    match receiver.await {
        Some(result) => result,
        // The machine is gone, and this task with it, as soon as it waits.
        None => std::future::pending().await,
    }
}

/// An operation on the names.
async fn operate_names<T: 'static>(
    kind: Kind,
    path: &Path,
    finish: impl FnOnce(&mut Tree) -> io::Result<T> + 'static,
) -> io::Result<T> {
    let disk = current_disk(&world());
    operate(disk, kind, path, move |disk, _| {
        finish(&mut disk.tree.borrow_mut())
    })
    .await
}

/// An open file.
pub(in crate::rt) struct File {
    disk: Rc<Disk>,
    node: NodeId,
    path: Rc<Path>,
    durability: Durability,
}

impl File {
    pub(in crate::rt) async fn open(path: &Path, options: &OpenOptions) -> io::Result<File> {
        let disk = current_disk(&world());
        let (path, options): (Rc<Path>, _) = (path.into(), *options);
        let changes = options.create || options.create_new || options.truncate;
        let is_meaningful = options.write || (options.read && !changes);
        if !is_meaningful {
            return Err(io::ErrorKind::InvalidInput.into());
        }
        let kind = if changes { Kind::Metadata } else { Kind::Read };
        let node = operate(disk.clone(), kind, &path, {
            let path = path.clone();
            move |disk, _| open_node(disk, &path, &options)
        })
        .await?;
        let durability = if options.dsync {
            Durability::Durable
        } else {
            Durability::Pending
        };
        Ok(File {
            disk,
            node,
            path,
            durability,
        })
    }

    pub(in crate::rt) async fn read_aligned(&self, position: u64, len: usize) -> io::Result<ReadBuf> {
        let (node, path) = (self.node, self.path.clone());
        operate(self.disk.clone(), Kind::Read, &self.path, move |disk, world| {
            disk.fails(world, Kind::Read, &path)?;
            Ok(disk
                .tree
                .borrow_mut()
                .file(node)?
                .visible
                .read(position, len)
                .into())
        })
        .await
    }

    pub(in crate::rt) async fn write_at(
        &self,
        buffer: IoBuf,
        len: usize,
        position: u64,
    ) -> io::Result<IoBuf> {
        let (node, path, durability) = (self.node, self.path.clone(), self.durability);
        let bytes: Rc<[u8]> = buffer[..len].into();
        let number = {
            let mut tree = self.disk.tree.borrow_mut();
            let number = tree.number();
            tree.file(node)?
                .in_flight
                .insert(number, (position, bytes.clone()));
            number
        };
        operate(self.disk.clone(), Kind::Write, &self.path, move |disk, world| {
            disk.tree.borrow_mut().file(node)?.in_flight.remove(&number);
            disk.finish_write(world, &path, node, position, bytes, durability)?;
            // Nothing of what was written may be relied upon in what comes back.
            Ok(IoBuf::with_capacity(buffer.len()))
        })
        .await
    }

    pub(in crate::rt) async fn datasync(&self) -> io::Result<()> {
        let (node, path) = (self.node, self.path.clone());
        let before = self.disk.tree.borrow_mut().number();
        operate(self.disk.clone(), Kind::Sync, &self.path, move |disk, world| {
            disk.finish_sync(world, &path, node, before)
        })
        .await
    }

    pub(in crate::rt) async fn set_len(&self, len: u64) -> io::Result<()> {
        let node = self.node;
        operate(self.disk.clone(), Kind::Metadata, &self.path, move |disk, _| {
            let mut tree = disk.tree.borrow_mut();
            let number = tree.number();
            tree.file(node)?.set_len(number, len);
            Ok(())
        })
        .await
    }

    pub(in crate::rt) async fn preallocate(&self, len: u64) -> io::Result<()> {
        let node = self.node;
        operate(self.disk.clone(), Kind::Metadata, &self.path, move |disk, _| {
            disk.reserve(node, len)
        })
        .await
    }

    pub(in crate::rt) fn len(&self) -> io::Result<u64> {
        Ok(self.disk.tree.borrow_mut().file(self.node)?.visible.len())
    }

    pub(in crate::rt) async fn close(self) -> io::Result<()> {
        operate(self.disk.clone(), Kind::Read, &self.path, |_, _| Ok(())).await
    }
}

impl fmt::Debug for File {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "File({})", self.path.display())
    }
}

/// Finds or makes the node of a file.
pub(super) fn open_node(disk: &Disk, path: &Path, options: &OpenOptions) -> io::Result<NodeId> {
    let tree = &mut *disk.tree.borrow_mut();
    let (dir, name) = tree.lookup_parent(path)?;
    let there = tree.dir(dir)?.visible.get(&name).copied();
    match there {
        Some(_) if options.create_new => Err(io::ErrorKind::AlreadyExists.into()),
        Some(node) => {
            tree.file(node)?;
            if options.truncate {
                let number = tree.number();
                tree.file(node)?.set_len(number, 0);
            }
            Ok(node)
        }
        None if options.create || options.create_new => {
            disk.has_room_for_name(tree)?;
            tree.create_file(dir, name)
        }
        None => Err(io::ErrorKind::NotFound.into()),
    }
}

pub(in crate::rt) async fn create_dir_all(path: &Path) -> io::Result<()> {
    let disk = current_disk(&world());
    let owned = path.to_owned();
    operate(disk, Kind::Metadata, path, move |disk, _| make_dirs(disk, &owned)).await
}

/// Makes the directories of a path that are not there.
pub(super) fn make_dirs(disk: &Disk, path: &Path) -> io::Result<()> {
    let mut tree = disk.tree.borrow_mut();
    if tree.lookup(path).is_err() {
        disk.has_room_for_name(&tree)?;
    }
    tree.create_dir_all(path)
}

pub(in crate::rt) async fn space(path: &Path) -> io::Result<Space> {
    let disk = current_disk(&world());
    let owned = path.to_owned();
    operate(disk, Kind::Read, path, move |disk, _| space_on(disk, &owned)).await
}

pub(super) fn space_on(disk: &Disk, path: &Path) -> io::Result<Space> {
    let mut tree = disk.tree.borrow_mut();
    tree.lookup(path)?;
    Ok(Space {
        total_bytes: disk.capacity_bytes(),
        usable_bytes: disk.free_bytes(&tree),
    })
}

pub(in crate::rt) async fn read_dir(path: &Path) -> io::Result<Vec<DirEntry>> {
    let owned = path.to_owned();
    operate_names(Kind::Read, path, move |tree| {
        let node = tree.lookup(&owned)?;
        tree.list(node)
    })
    .await
}

pub(in crate::rt) async fn rename(from: &Path, to: &Path) -> io::Result<()> {
    let (source, to) = (from.to_owned(), to.to_owned());
    operate_names(Kind::Metadata, from, move |tree| tree.rename(&source, &to)).await
}

pub(in crate::rt) async fn remove_file(path: &Path) -> io::Result<()> {
    let owned = path.to_owned();
    operate_names(Kind::Metadata, path, move |tree| tree.unlink(&owned)).await
}

pub(in crate::rt) async fn remove_dir_all(path: &Path) -> io::Result<()> {
    let owned = path.to_owned();
    operate_names(Kind::Metadata, path, move |tree| tree.remove_dir_all(&owned)).await
}

pub(in crate::rt) async fn sync_dir(path: &Path) -> io::Result<()> {
    let disk = current_disk(&world());
    let owned: PathBuf = path.to_owned();
    let before = disk.tree.borrow_mut().number();
    operate(disk, Kind::Sync, path, move |disk, world| {
        let mut tree = disk.tree.borrow_mut();
        let node = tree.lookup(&owned)?;
        tree.dir(node)?;
        disk.fails(world, Kind::Sync, &owned)?;
        tree.sync_dir(node, before);
        Ok(())
    })
    .await
}

pub(in crate::rt) async fn read_file(path: &Path, max_len: u64) -> io::Result<Vec<u8>> {
    let disk = current_disk(&world());
    let owned = path.to_owned();
    operate(disk, Kind::Read, path, move |disk, world| {
        blocking::read_on(disk, world, &owned, max_len)
    })
    .await
}

/// Step by step, so that a crash can come between the steps.
pub(in crate::rt) async fn write_file_atomic(path: &Path, bytes: Vec<u8>) -> io::Result<()> {
    write_temporary(path, bytes).await?.datasync().await?;
    rename(&blocking::temporary(path), path).await?;
    sync_dir(parent(path)).await
}

pub(in crate::rt) async fn write_file_unsynced(path: &Path, bytes: Vec<u8>) -> io::Result<()> {
    write_temporary(path, bytes).await?;
    rename(&blocking::temporary(path), path).await
}

pub(in crate::rt) async fn create_dir_with_files(
    dir: &Path,
    files: Vec<(&'static str, Vec<u8>)>,
) -> io::Result<()> {
    create_dir_all(dir).await?;
    let mut written = Vec::with_capacity(files.len());
    for (name, bytes) in files {
        let path = dir.join(name);
        let file = write_temporary(&path, bytes).await?;
        written.push((path, file));
    }
    for (_, file) in &written {
        file.datasync().await?;
    }
    for (path, _) in &written {
        rename(&blocking::temporary(path), path).await?;
    }
    sync_dir(dir).await?;
    sync_dir(parent(dir)).await
}

async fn write_temporary(path: &Path, bytes: Vec<u8>) -> io::Result<File> {
    let options = OpenOptions {
        write: true,
        create: true,
        truncate: true,
        ..OpenOptions::default()
    };
    let file = File::open(&blocking::temporary(path), &options).await?;
    let (node, path_of_it) = (file.node, file.path.clone());
    operate(file.disk.clone(), Kind::Write, &file.path, move |disk, world| {
        disk.finish_write(world, &path_of_it, node, 0, bytes.into(), Durability::Pending)
    })
    .await?;
    Ok(file)
}

fn parent(path: &Path) -> &Path {
    path.parent().unwrap_or(Path::new("/"))
}

/// There is nothing to prepare.
pub(in crate::rt) async fn prime(dir: &Path) -> io::Result<()> {
    read_dir(dir).await.map(|_| ())
}
