//! What tests do to disks.

use super::device::Disk;
use crate::rt::sim::process::{current_disk, disk_named};
use crate::rt::sim::world::world;
use std::io;
use std::path::Path;
use std::rc::Rc;
use std::time::Duration;

/// What goes wrong on a disk, and how long what goes right takes. Chances are per operation, from 0.0 to 1.0.
#[derive(Clone, Debug)]
pub struct FaultPlan {
    /// Writes that fail, with any of their sectors written.
    pub write_error: f64,
    /// Reads that fail.
    pub read_error: f64,
    /// Syncs that fail, and lose some of what they were for.
    pub sync_error: f64,
    /// Errors happen only to files whose path contains this.
    pub only_paths_with: Option<String>,
    /// Room on the disk in bytes, in blocks of 4 KiB. What needs more fails with `StorageFull`: a write, of which the first
    /// blocks may be there then, a reservation, and, when no block is free, a new file or directory.
    pub capacity_bytes: Option<u64>,
    /// The machine loses power when this many operations that change something have been started since the plan was
    /// set: 1 is the next one. That one is still in flight then.
    pub crash_at_op: Option<u64>,
    /// Of these operations only those on paths that contain this are counted. A rename is on the path it is from.
    pub crash_near: Option<String>,
    /// Changes of names survive a crash in any combination in which those of one name, and of one file, keep their order.
    /// Otherwise those of one directory keep their order.
    pub names_out_of_order: bool,
    /// The shortest time an operation takes.
    pub least_latency: Duration,
    /// The longest.
    pub most_latency: Duration,
    /// Operations that take [`FaultPlan::slow`] more.
    pub slow_chance: f64,
    /// How much longer slow operations take.
    pub slow: Duration,
}

impl Default for FaultPlan {
    fn default() -> FaultPlan {
        FaultPlan {
            write_error: 0.0,
            read_error: 0.0,
            sync_error: 0.0,
            only_paths_with: None,
            capacity_bytes: None,
            crash_at_op: None,
            crash_near: None,
            names_out_of_order: false,
            least_latency: Duration::from_micros(20),
            most_latency: Duration::from_micros(400),
            slow_chance: 0.0,
            slow: Duration::from_millis(50),
        }
    }
}

/// A disk, from outside.
#[derive(Clone)]
pub struct SimDisk(Rc<Disk>);

/// The disk of the process that has, had or will have this name.
pub fn of(process_name: &str) -> SimDisk {
    SimDisk(disk_named(&world(), process_name))
}

/// Sets the plan of the calling process's own disk.
pub fn set_faults(plan: FaultPlan) {
    SimDisk(current_disk(&world())).set_faults(plan);
}

impl SimDisk {
    /// Replaces the plan; the count of [`FaultPlan::crash_at_op`] starts anew.
    pub fn set_faults(&self, plan: FaultPlan) {
        self.0.set_faults(plan);
    }

    /// From now on files of others take this much of the disk's room. Stays whatever the plan is.
    pub fn occupy(&self, bytes: u64) {
        self.0.occupied_bytes.set(bytes);
    }

    /// How much room there is, with a plan that has a capacity.
    pub fn free_bytes(&self) -> u64 {
        self.0.free_bytes(&self.0.tree.borrow())
    }

    /// How many operations that change something were started since the plan was set.
    pub fn changes_started(&self) -> u64 {
        self.0.changes_started()
    }

    /// What a read would give now. Takes no time and meets no faults.
    pub fn read(&self, path: impl AsRef<Path>) -> io::Result<Vec<u8>> {
        let mut tree = self.0.tree.borrow_mut();
        let node = tree.lookup(path.as_ref())?;
        let file = tree.file(node)?;
        let len = file.visible.len() as usize;
        Ok(file.visible.read(0, len))
    }

    /// The paths of all files below a directory, sorted.
    pub fn files_below(&self, dir: impl AsRef<Path>) -> io::Result<Vec<String>> {
        let mut tree = self.0.tree.borrow_mut();
        let mut files = Vec::new();
        let mut dirs = vec![(tree.lookup(dir.as_ref())?, dir.as_ref().to_owned())];
        while let Some((node, path)) = dirs.pop() {
            for entry in tree.list(node)? {
                let path = path.join(&entry.name);
                match entry.is_dir {
                    true => dirs.push((tree.lookup(&path)?, path)),
                    false => files.push(path.display().to_string()),
                }
            }
        }
        files.sort_unstable();
        Ok(files)
    }

    /// Cuts a file, or extends it with zeros, on the medium.
    pub fn set_len(&self, path: impl AsRef<Path>, len: u64) -> io::Result<()> {
        let mut tree = self.0.tree.borrow_mut();
        let node = tree.lookup(path.as_ref())?;
        let file = tree.file(node)?;
        file.visible.set_len(len);
        file.durable.set_len(len);
        Ok(())
    }

    /// Turns a bit of a file, on the medium.
    pub fn flip_bit(&self, path: impl AsRef<Path>, position: u64, bit: u8) -> io::Result<()> {
        let mut tree = self.0.tree.borrow_mut();
        let node = tree.lookup(path.as_ref())?;
        let file = tree.file(node)?;
        file.visible.flip(position, bit);
        file.durable.flip(position, bit);
        Ok(())
    }

    /// Turns a random bit of a file that is not empty; where.
    pub fn flip_random_bit(&self, path: impl AsRef<Path>) -> io::Result<u64> {
        let len = self.read(path.as_ref())?.len() as u64;
        let (position, bit) = (world().below(len), world().below(8) as u8);
        self.flip_bit(path, position, bit)?;
        Ok(position)
    }
}
