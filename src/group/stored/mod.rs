//! What `__consumer_offsets` holds, and the one way from its records to state.
//!
//! Responsible for the records' content ([`StoredRecord`]), their bytes in Kafka's format (`record_codec`) and the state
//! they add up to ([`StoredState`]). [`StoredState::apply`] is called by the live coordinator after each append and by the
//! loader for each record read back: there is no second way to change this state, so what a restart finds is what was
//! there. Knows nothing of members waiting, timers or requests. Start reading in `stored_state.rs`.

mod committed_offset;
mod offset_table;
mod record_batches;
mod record_codec;
mod stored_group;
mod stored_record;
mod stored_state;

pub use committed_offset::CommittedOffset;
pub use offset_table::{OffsetTable, TransactionEnd};
pub use record_batches::{ReplayError, replay_batches, to_batches};
pub use record_codec::MalformedRecord;
pub use stored_group::{StoredGroup, StoredMember};
pub use stored_record::{OffsetKey, RecordOrigin, StoredRecord};
pub use stored_state::StoredState;
