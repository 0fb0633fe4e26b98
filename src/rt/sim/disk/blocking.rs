//! The disk's operations as the control thread sees them: at once. When the power goes the caller gets an error, and
//! runs no further than to its next wait.

use super::async_ops::{make_dirs, open_node, space_on};
use super::device::{Disk, Kind, Power};
use super::file_node::Durability;
use super::tree::{NodeId, Tree};
use crate::rt::disk::{DirEntry, OpenOptions, Space};
use crate::rt::sim::process::current_disk;
use crate::rt::sim::world::{World, world};
use std::ffi::OsString;
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::rc::Rc;

/// Runs an operation on the calling process's disk.
fn operate<T>(kind: Kind, path: &Path, finish: impl FnOnce(&Disk, &World) -> io::Result<T>) -> io::Result<T> {
    let world = world();
    let disk = current_disk(&world);
    operate_on(&disk, &world, kind, path, finish)
}

fn operate_on<T>(
    disk: &Disk,
    world: &World,
    kind: Kind,
    path: &Path,
    finish: impl FnOnce(&Disk, &World) -> io::Result<T>,
) -> io::Result<T> {
    match disk.begin(world, world.processes.current(), kind, path) {
        Power::On => finish(disk, world),
        Power::Lost => Err(io::Error::other("the simulated machine lost power")),
    }
}

fn operate_names<T>(
    kind: Kind,
    path: &Path,
    finish: impl FnOnce(&mut Tree) -> io::Result<T>,
) -> io::Result<T> {
    operate(kind, path, |disk, _| finish(&mut disk.tree.borrow_mut()))
}

/// A file that grows at its end.
pub(in crate::rt) struct AppendFile {
    disk: Rc<Disk>,
    node: NodeId,
    path: PathBuf,
}

impl AppendFile {
    pub(in crate::rt) fn open(path: &Path) -> io::Result<AppendFile> {
        let options = OpenOptions {
            write: true,
            create: true,
            ..OpenOptions::default()
        };
        let node = operate(Kind::Metadata, path, |disk, _| open_node(disk, path, &options))?;
        Ok(AppendFile {
            disk: current_disk(&world()),
            node,
            path: path.to_owned(),
        })
    }

    pub(in crate::rt) fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        let world = world();
        let position = self.len()?;
        if bytes.is_empty() {
            return Ok(());
        }
        let result = operate_on(&self.disk, &world, Kind::Write, &self.path, |disk, world| {
            disk.finish_write(
                world,
                &self.path,
                self.node,
                position,
                bytes.into(),
                Durability::Pending,
            )
        });
        if !world.processes.has_condemned() {
            return result;
        }
        // The power went with this write: the crash decides what of it is there.
        let mut tree = self.disk.tree.borrow_mut();
        let number = tree.number();
        tree.file(self.node)?
            .in_flight
            .insert(number, (position, bytes.into()));
        result
    }

    pub(in crate::rt) fn sync_data(&mut self) -> io::Result<()> {
        let before = self.disk.tree.borrow_mut().number();
        operate_on(&self.disk, &world(), Kind::Sync, &self.path, |disk, world| {
            disk.finish_sync(world, &self.path, self.node, before)
        })
    }

    pub(in crate::rt) fn set_len(&mut self, len: u64) -> io::Result<()> {
        operate_on(&self.disk, &world(), Kind::Metadata, &self.path, |disk, _| {
            let mut tree = disk.tree.borrow_mut();
            let number = tree.number();
            tree.file(self.node)?.set_len(number, len);
            Ok(())
        })
    }

    pub(in crate::rt) fn len(&self) -> io::Result<u64> {
        Ok(self.disk.tree.borrow_mut().file(self.node)?.visible.len())
    }
}

impl fmt::Debug for AppendFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "AppendFile({})", self.path.display())
    }
}

pub(in crate::rt) fn read(path: &Path, max_len: u64) -> io::Result<Vec<u8>> {
    operate(Kind::Read, path, |disk, world| {
        read_on(disk, world, path, max_len)
    })
}

pub(super) fn read_on(disk: &Disk, world: &World, path: &Path, max_len: u64) -> io::Result<Vec<u8>> {
    disk.fails(world, Kind::Read, path)?;
    let mut tree = disk.tree.borrow_mut();
    let node = tree.lookup(path)?;
    let file = tree.file(node)?;
    let len = file.visible.len();
    if len > max_len {
        let text = format!("{} has more than {max_len} bytes", path.display());
        return Err(io::Error::new(io::ErrorKind::FileTooLarge, text));
    }
    Ok(file.visible.read(0, len as usize))
}

pub(in crate::rt) fn write_file_atomic(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let temporary = temporary(path);
    let mut file = AppendFile::open(&temporary)?;
    file.set_len(0)?;
    file.append(bytes)?;
    file.sync_data()?;
    rename(&temporary, path)?;
    sync_dir(path.parent().unwrap_or(Path::new("/")))
}

/// The neighbour a new content is written to first.
pub(super) fn temporary(path: &Path) -> PathBuf {
    let mut temporary = OsString::from(path);
    temporary.push(".tmp");
    PathBuf::from(temporary)
}

pub(in crate::rt) fn read_dir(path: &Path) -> io::Result<Vec<DirEntry>> {
    operate_names(Kind::Read, path, |tree| {
        let node = tree.lookup(path)?;
        tree.list(node)
    })
}

pub(in crate::rt) fn create_dir_all(path: &Path) -> io::Result<()> {
    operate(Kind::Metadata, path, |disk, _| make_dirs(disk, path))
}

pub(in crate::rt) fn space(path: &Path) -> io::Result<Space> {
    operate(Kind::Read, path, |disk, _| space_on(disk, path))
}

pub(in crate::rt) fn rename(from: &Path, to: &Path) -> io::Result<()> {
    operate_names(Kind::Metadata, from, |tree| tree.rename(from, to))
}

pub(in crate::rt) fn remove_file(path: &Path) -> io::Result<()> {
    operate_names(Kind::Metadata, path, |tree| tree.unlink(path))
}

pub(in crate::rt) fn remove_dir_all(path: &Path) -> io::Result<()> {
    operate_names(Kind::Metadata, path, |tree| tree.remove_dir_all(path))
}

pub(in crate::rt) fn sync_dir(path: &Path) -> io::Result<()> {
    let before = current_disk(&world()).tree.borrow_mut().number();
    operate(Kind::Sync, path, |disk, world| {
        let mut tree = disk.tree.borrow_mut();
        let node = tree.lookup(path)?;
        tree.dir(node)?;
        disk.fails(world, Kind::Sync, path)?;
        tree.sync_dir(node, before);
        Ok(())
    })
}
