//! What a run gives before it is summed up.

use super::meter::Meter;
use super::window::Window;

/// Counters of a run, by side.
pub struct Outcome {
    /// The counted time.
    pub window: Window,
    /// The side the workload measures.
    pub measured: Meter,
    /// From producer to consumer, if there were consumers beside the producers.
    pub end_to_end: Option<Meter>,
    /// Consumers of old records beside the producers.
    pub catch_up: Option<Meter>,
    /// Requests of an open loop (records, where they are built live) that were due at the end and had not been sent.
    pub unsent: usize,
}
