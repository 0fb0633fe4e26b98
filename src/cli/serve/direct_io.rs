//! Whether a directory's file system takes direct I/O: found out by doing it.

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use rustix::fs::{OFlags, statfs};

use crate::base::limits::DISK_BLOCK_BYTES;

/// Memory that direct I/O takes.
#[repr(align(4096))]
struct Block([u8; DISK_BLOCK_BYTES]);

/// Writes and reads a block as the log will.
pub fn probe_direct_io(dir: &Path) -> io::Result<()> {
    let path = dir.join(".direct-io-probe");
    let outcome = write_and_read(&path);
    let _ = std::fs::remove_file(&path);
    outcome
}

fn write_and_read(path: &Path) -> io::Result<()> {
    let flags = OFlags::DIRECT | OFlags::DSYNC;
    let flags = flags.bits() as i32;
    let mut block = Box::new(Block([0xc1; DISK_BLOCK_BYTES]));
    let mut options = OpenOptions::new();
    let mut file: File = options
        .write(true)
        .create(true)
        .truncate(true)
        .custom_flags(flags)
        .open(path)?;
    file.write_all(&block.0)?;
    let mut file = OpenOptions::new().read(true).custom_flags(flags).open(path)?;
    block.0.fill(0);
    file.read_exact(&mut block.0)?;
    if block.0 == [0xc1; DISK_BLOCK_BYTES] {
        Ok(())
    } else {
        Err(io::Error::other("what was read is not what was written"))
    }
}

/// What a person calls the file system of a directory.
pub fn file_system_name(dir: &Path) -> String {
    let Ok(found) = statfs(dir) else {
        return "unknown".to_string();
    };
    // From linux/magic.h.
    let name = match found.f_type as u32 {
        0x0000_ef53 => "ext4",
        0x5846_5342 => "xfs",
        0x9123_683e => "btrfs",
        0x0102_1994 => "tmpfs",
        0x8584_58f6 => "ramfs",
        0x794c_7630 => "overlay",
        0x0000_6969 => "nfs",
        0xff53_4d42 => "cifs",
        0x6573_5546 => "fuse",
        0x0102_1997 => "9p",
        0x2fc1_2fc1 => "zfs",
        0xf2f5_2010 => "f2fs",
        0x0000_9fa0 => "proc",
        0x6265_6572 => "sysfs",
        other => return format!("type {other:#x}"),
    };
    name.to_string()
}
