//! A run that asks nothing of the broker: what its process needs all the same.

use std::time::Duration;

use super::meter::Meter;
use super::outcome::Outcome;
use super::window::Window;
use super::workload::Workload;

/// Runs it: lets the broker come to rest, then counts.
///
/// # Errors
/// When the broker's process is gone.
pub fn measure_idle(workload: &Workload, mut window: Window) -> anyhow::Result<Outcome> {
    std::thread::sleep(Duration::from_secs_f64(workload.warm_up_s));
    window.start()?;
    std::thread::sleep(Duration::from_secs_f64(workload.duration_s));
    window.stop()?;
    Ok(Outcome {
        window,
        measured: Meter::new(),
        end_to_end: None,
        catch_up: None,
        unsent: 0,
    })
}
