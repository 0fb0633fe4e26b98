//! Virtual time.

use super::world::world;

/// 2025-01-01T00:00:00Z: where every simulation's wall clock starts, less the first second.
const WALL_START_MS: i64 = 1_735_689_600_000;

pub(in crate::rt) fn now_nanos() -> u64 {
    world().now()
}

pub(in crate::rt) fn wall_ms() -> i64 {
    let world = world();
    WALL_START_MS + world.wall_offset_ms.get() + (world.now() / 1_000_000) as i64
}

/// The executor looks at the wheel by itself.
pub(in crate::rt) fn next_timer_is_sooner() {}

/// Sets the wall clock forward, or back with a negative number; the monotonic clock stays.
pub fn jump_wall_ms(by: i64) {
    let world = world();
    world.wall_offset_ms.set(world.wall_offset_ms.get() + by);
}
