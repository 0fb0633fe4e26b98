//! Files through glommio's O_DIRECT ring, names through std on the helper thread.

pub(in crate::rt) mod blocking;
mod directory;
mod file;
mod io_buf;
mod path_gate;
mod prime;

pub(in crate::rt) use directory::{
    create_dir_all, create_dir_with_files, read_dir, read_file, remove_dir_all, remove_file, rename, space,
    sync_dir, write_file_atomic, write_file_unsynced,
};
pub(in crate::rt) use file::{File, ReadBuf};
pub(in crate::rt) use io_buf::IoBuf;
pub(in crate::rt) use prime::prime;
