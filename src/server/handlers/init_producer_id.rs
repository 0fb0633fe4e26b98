//! InitProducerId (key 22), versions 0 to 5: gives a producer its id, so that the broker can drop what it sends twice.
//!
//! - Without a transactional id: always a new id with epoch 0, as in Kafka. That holds from v3 on too (KIP-360), where a
//!   producer says which id and epoch it had: whoever wants its epoch raised gets a new id, which serves the same end.
//! - An id without an epoch, or an epoch without an id, is INVALID_REQUEST; so is an empty transactional id.
//! - Ids come from blocks that the controller reserves for this shard (KIP-730): no id is ever given twice, not even after a
//!   crash. If the controller can't answer now: COORDINATOR_NOT_AVAILABLE, after which clients try again.
//!
//! Not done: transactional ids (UNSUPPORTED_VERSION: transactions are not served yet; clients report it at once, while a
//! code of the coordinator's would have them try for ever).

use crate::base::ids::ProducerId;
use crate::metadata::{Command, Outcome};
use crate::server::context::RequestContext;
use crate::server::handlers::change::submit_within;
use crate::wire::errors::ErrorCode;
use crate::wire::messages::{InitProducerIdRequest, InitProducerIdResponse};

/// How long a block of ids may take, in milliseconds.
const ALLOCATE_WITHIN_MS: i32 = 10_000;

/// No producer id, and no epoch.
const NONE: i64 = -1;

/// Gives a new producer id.
pub async fn handle(cx: &RequestContext, request: InitProducerIdRequest) -> InitProducerIdResponse {
    match request.transactional_id.as_deref() {
        None => {}
        Some("") => return refused(ErrorCode::InvalidRequest),
        Some(_) => return refused(ErrorCode::UnsupportedVersion),
    }
    if (request.producer_id == NONE) != (i64::from(request.producer_epoch) == NONE) {
        return refused(ErrorCode::InvalidRequest);
    }
    match next_id(cx).await {
        Some(id) => InitProducerIdResponse { producer_id: id.0, producer_epoch: 0, ..InitProducerIdResponse::default() },
        None => refused(ErrorCode::CoordinatorNotAvailable),
    }
}

/// The next id of this shard's block, with a new block where it is used up.
async fn next_id(cx: &RequestContext) -> Option<ProducerId> {
    loop {
        if let Some(id) = cx.shard().producer_ids.take() {
            return Some(id);
        }
        match submit_within(cx, Command::AllocateProducerIds, ALLOCATE_WITHIN_MS).await {
            Ok(Outcome::ProducerIds(block)) => cx.shard().producer_ids.refill(block),
            Ok(other) => unreachable!("AllocateProducerIds gave {other:?}"),
            Err(refusal) => {
                tracing::warn!(code = refusal.code.name(), "no producer ids from the controller");
                return None;
            }
        }
    }
}

fn refused(error: ErrorCode) -> InitProducerIdResponse {
    InitProducerIdResponse { error_code: error.code(), producer_epoch: -1, ..InitProducerIdResponse::default() }
}
