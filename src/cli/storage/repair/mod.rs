//! `corelane storage repair`: says what is damaged in the files of a server that does not run and what can be done, and does it when
//! told.
//!
//! `directory_look.rs` finds out what the next start would make of the partitions, by recovering them without changing anything;
//! `partition_look.rs` looks through their files beyond that; `repair_plan.rs` judges, pure; `partition_mend.rs` and
//! `directory_repair.rs` do it, in an order in which a stop leaves what can be repaired again; `repair_report.rs` has the words, and
//! `repair_command.rs` the arguments.

mod directory_look;
mod directory_repair;
mod partition_look;
mod partition_mend;
mod repair_command;
mod repair_plan;
mod repair_report;

pub use repair_command::{RepairArgs, run};
