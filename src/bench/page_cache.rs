//! Emptying the kernel's page cache.

use anyhow::Context;

/// Writes what is dirty to the disk, then drops all clean pages of the machine.
///
/// # Errors
/// When this user may not (only root may).
pub fn drop_page_cache() -> anyhow::Result<()> {
    rustix::fs::sync();
    std::fs::write("/proc/sys/vm/drop_caches", "1")
        .context("the page cache can't be dropped: /proc/sys/vm/drop_caches is only for root")
}
