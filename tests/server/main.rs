//! One server over real sockets: a module for each handler, named as the handler.

#[path = "../fixture/mod.rs"]
mod fixture;

mod alter_configs;
mod api_versions;
mod create_partitions;
mod create_topics;
mod delete_topics;
mod describe_cluster;
mod describe_configs;
mod describe_topic_partitions;
mod incremental_alter_configs;
mod init_producer_id;
mod list_offsets;
mod metadata;
mod offset_for_leader_epoch;
mod server;
mod steps;
