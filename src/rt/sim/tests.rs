//! The simulation tested: that it is deterministic, and that it is as cruel as it claims.

use crate::rt::{self, sim};
use std::time::Duration;

#[test]
fn time_is_virtual_and_exact() {
    sim::check_seeds("time_is_virtual_and_exact", 0..20, |_| async {
        let start = rt::now();
        rt::sleep(Duration::from_secs(3600)).await;
        let took = rt::now().since(start);
        assert!(
            took >= Duration::from_secs(3600) && took < Duration::from_millis(3_600_002),
            "{took:?}"
        );
    });
}
