//! Hands out producer ids in blocks (KIP-730).

use crate::metadata::command_error::{CommandError, CommandErrorKind};
use crate::metadata::outcome::Outcome;
use crate::metadata::record::Record;

use super::draft::Draft;

/// Ids per block: Kafka's number. A restart forgets the rest of each shard's block.
const BLOCK_IDS: i64 = 1000;

pub(super) fn plan(draft: &mut Draft) -> Result<Outcome, CommandError> {
    let first = draft.image.next_producer_id();
    let Some(end) = first.checked_add(BLOCK_IDS) else {
        return Err(CommandError::new(
            CommandErrorKind::PolicyViolation,
            "all producer ids have been handed out",
        ));
    };
    draft.record(Record::ProducerIdsAllocated {
        next_producer_id: end,
    });
    Ok(Outcome::ProducerIds(first..end))
}
