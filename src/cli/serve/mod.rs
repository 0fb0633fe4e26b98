//! `corelane serve`: puts a server together and runs it.
//!
//! Responsible for everything between the command line and the control thread: settings, log output, what the operating
//! system must allow, the data directory, the ports; and for saying clearly what is wrong with any of them. Each step
//! is a file; `command.rs` has their order. The only place that knows all parts of the broker.

mod command;
mod cpu_plan;
mod data_directories;
mod data_directory;
mod direct_io;
mod log_output;
mod open_files;
mod port_plan;
mod server_lanes;
mod start_message;
mod start_settings;

pub use command::{ServeArgs, run};
pub(in crate::cli) use data_directories::DataDirectories;
pub(in crate::cli) use data_directory::hold;
pub(in crate::cli) use start_settings::start_settings;
