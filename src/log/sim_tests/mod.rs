//! The engine under a simulated disk, with an oracle that knows only what callers saw.

mod compaction;
mod compaction_of_transactions;
mod crashes;
mod full_disk;
mod io_errors;
mod lifecycle;
mod lifetime;
mod many_partitions;
mod oracle;
mod relocation;
mod scan_points;
mod server;
mod topic_configs;
