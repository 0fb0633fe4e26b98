//! Tests of the coordinator's engine: scripts of requests and time, through one [`lab::Lab`].

mod commit;
mod delete;
mod describe;
mod expiry;
mod join;
mod kafkas_bytes;
mod lab;
mod leave;
mod random;
mod rebalance;
mod records;
mod restart;
mod sessions;
mod static_members;
mod sync;
mod transactions;
