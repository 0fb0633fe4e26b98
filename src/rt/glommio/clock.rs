//! The clocks.

use std::sync::OnceLock;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

static START: OnceLock<Instant> = OnceLock::new();

pub(in crate::rt) fn now_nanos() -> u64 {
    let start = *START.get_or_init(Instant::now);
    // 2^64 ns are 584 years.
    start.elapsed().as_nanos() as u64
}

pub(in crate::rt) fn wall_ms() -> i64 {
    match SystemTime::now().duration_since(UNIX_EPOCH) {
        Ok(since) => i64::try_from(since.as_millis()).unwrap_or(i64::MAX),
        Err(before) => -i64::try_from(before.duration().as_millis()).unwrap_or(i64::MAX),
    }
}

pub(in crate::rt) fn next_timer_is_sooner() {
    super::ticker::next_timer_is_sooner();
}
