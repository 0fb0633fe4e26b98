//! What all writing loads have in common.

use super::connection::Load;
use super::meter::Meter;

/// So many requests that fail one after the other end a run: the broker does not work.
pub const MAX_FAILURES_IN_A_ROW: u32 = 1000;

/// A load that writes.
pub trait Writing: Load {
    /// Starts: so many records a second by the clock, or as fast as answers come.
    fn go(&mut self, records_per_s: Option<f64>);

    /// Sends nothing more. Gives how much was due by the clock and had not been sent.
    fn stop(&mut self) -> usize;

    /// What is counted.
    fn meter(&mut self) -> &mut Meter;
}
