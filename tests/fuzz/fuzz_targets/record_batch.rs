//! Record batches as a producer sends them or a disk gives them back. The checksum is not asked for, since fuzzing
//! would rarely get past it: what is behind it must hold as well.
#![no_main]

use corelane::wire::records::batches;
use libfuzzer_sys::fuzz_target;

/// Bytes a compressed batch may unfold to.
const LIMIT_BYTES: usize = 1 << 20;

fuzz_target!(|data: &[u8]| {
    for batch in batches(data) {
        let Ok(batch) = batch else { return };
        let _ = batch.check_crc();
        if let Ok(open) = batch.open(LIMIT_BYTES) {
            for record in open.records() {
                let Ok(record) = record else { break };
                record.headers().for_each(drop);
            }
        }
    }
});
