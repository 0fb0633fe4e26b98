//! Whether the runtime can work here, asked before it would panic.

use rustix::io::Errno;
use rustix::io_uring::{io_uring_params, io_uring_setup};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use std::error::Error;
use std::fmt;
use std::io;

/// glommio refuses to start with less, even as root.
const MEMLOCK_MIN_BYTES: u64 = 512 * 1024;

/// glommio ends the process, with a joke, on an older one.
const KERNEL_MIN: (u32, u32) = (5, 8);

/// Why the runtime cannot work here. The message says what to do.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum RuntimeUnavailable {
    /// io_uring is there, but a policy denies it.
    UringDenied,
    /// The kernel has no io_uring, or one too old.
    UringMissing,
    /// io_uring_setup failed for another reason (errno).
    UringFailed(i32),
    /// The hard limit of lockable memory is too low, in bytes.
    MemlockTooLow(u64),
    /// An executor could not be made.
    Executor {
        /// The CPU it was meant for.
        cpu: Option<usize>,
        /// What the runtime says.
        reason: String,
    },
    /// A thread could not be started.
    Thread(String),
}

impl fmt::Display for RuntimeUnavailable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            RuntimeUnavailable::UringDenied => f.write_str(
                "io_uring is denied to this process. In a container, the default seccomp profile of Docker and \
                 containerd denies it: run with one that allows io_uring_setup, io_uring_enter and \
                 io_uring_register (docker run --security-opt seccomp=PROFILE.json). On a host, see that \
                 `sysctl kernel.io_uring_disabled` is 0.",
            ),
            RuntimeUnavailable::UringMissing => {
                f.write_str("this kernel's io_uring is missing or too old. Linux 5.8 or newer with CONFIG_IO_URING is needed.")
            }
            RuntimeUnavailable::UringFailed(errno) => {
                write!(f, "io_uring does not work here: {}", io::Error::from_raw_os_error(*errno))
            }
            RuntimeUnavailable::MemlockTooLow(hard) => write!(
                f,
                "the limit of lockable memory is {hard} bytes, but {MEMLOCK_MIN_BYTES} are needed. Raise it: \
                 `ulimit -l {}` in a shell, LimitMEMLOCK=infinity in a systemd unit, \
                 `--ulimit memlock=-1` with docker run.",
                MEMLOCK_MIN_BYTES / 1024
            ),
            RuntimeUnavailable::Executor { cpu: Some(cpu), reason } => {
                write!(f, "no executor could be started on CPU {cpu}: {reason}")
            }
            RuntimeUnavailable::Executor { cpu: None, reason } => {
                write!(f, "no executor could be started: {reason}")
            }
            RuntimeUnavailable::Thread(reason) => write!(f, "no thread could be started: {reason}"),
        }
    }
}

impl Error for RuntimeUnavailable {}

/// Whether shards can run here. Call it once at start, before anything else of the runtime; it also raises this
/// process's soft limit of lockable memory to the hard one.
pub fn probe() -> Result<(), RuntimeUnavailable> {
    raise_memlock()?;
    if kernel_version().is_some_and(|version| version < KERNEL_MIN) {
        return Err(RuntimeUnavailable::UringMissing);
    }
    let mut params = io_uring_params::default();
    // SAFETY: `params` is a zeroed structure of the right type, and the ring is closed without having been mapped.
    match unsafe { io_uring_setup(4, &mut params) } {
        Ok(_ring) => Ok(()),
        Err(Errno::PERM | Errno::ACCESS) => Err(RuntimeUnavailable::UringDenied),
        Err(Errno::NOSYS) => Err(RuntimeUnavailable::UringMissing),
        Err(Errno::NOMEM) => Err(RuntimeUnavailable::MemlockTooLow(soft_memlock())),
        Err(error) => Err(RuntimeUnavailable::UringFailed(error.raw_os_error())),
    }
}

/// Major and minor number of the running kernel; `None` if it does not say them in the usual way.
fn kernel_version() -> Option<(u32, u32)> {
    let name = rustix::system::uname();
    let mut numbers = name.release().to_str().ok()?.split(['.', '-']);
    Some((numbers.next()?.parse().ok()?, numbers.next()?.parse().ok()?))
}

/// Raises the soft limit of lockable memory to the hard one.
pub(super) fn raise_memlock() -> Result<(), RuntimeUnavailable> {
    let limit = getrlimit(Resource::Memlock);
    if limit.current != limit.maximum {
        // If this fails the limit is as it was, and the check below decides.
        let _ = setrlimit(
            Resource::Memlock,
            Rlimit {
                current: limit.maximum,
                maximum: limit.maximum,
            },
        );
    }
    match soft_memlock() {
        enough if enough >= MEMLOCK_MIN_BYTES => Ok(()),
        low => Err(RuntimeUnavailable::MemlockTooLow(low)),
    }
}

fn soft_memlock() -> u64 {
    getrlimit(Resource::Memlock).current.unwrap_or(u64::MAX)
}
