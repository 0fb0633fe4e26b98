//! The arguments of `corelane`, and where each command goes.

use std::process::ExitCode;

use clap::{Parser, Subcommand};

use super::output::is_reader_gone;
use super::{completions, consume, group, produce, serve, storage, topic};
use crate::bench;

/// A message broker that speaks Apache Kafka's protocol, with one lane per core.
#[derive(Debug, Parser)]
#[command(name = "corelane", version, max_term_width = 110, propagate_version = true)]
#[command(after_help = EXIT_CODES)]
pub struct CommandLine {
    #[command(subcommand)]
    command: Command,
}

const EXIT_CODES: &str = "\
Exit codes:
  0  done
  1  failed; stderr says why and what to do
  2  wrong arguments";

#[derive(Debug, Subcommand)]
enum Command {
    Serve(serve::ServeArgs),
    /// Put load on a broker and measure it
    #[command(subcommand)]
    Bench(bench::BenchCommand),
    /// Create, list, describe, alter and delete topics
    #[command(subcommand)]
    Topic(topic::TopicCommand),
    /// Send lines, files or JSON to a topic
    Produce(Box<produce::ProduceArgs>),
    /// Print the records of topics
    Consume(Box<consume::ConsumeArgs>),
    /// List, describe, reset and delete consumer groups
    #[command(subcommand)]
    Group(group::GroupCommand),
    /// Look into the files of a data directory, Corelane's or Apache Kafka's
    #[command(subcommand)]
    Storage(storage::StorageCommand),
    /// Print a completion script for a shell
    Completions(completions::CompletionsArgs),
}

/// Runs the program with the process's arguments.
pub fn main() -> ExitCode {
    let result = match CommandLine::parse().command {
        Command::Serve(args) => serve::run(&args),
        Command::Bench(command) => bench::execute(&command),
        Command::Topic(command) => topic::run(&command),
        Command::Produce(args) => produce::run(&args),
        Command::Consume(args) => consume::run(&args),
        Command::Group(command) => group::run(&command),
        Command::Storage(command) => storage::run(&command),
        Command::Completions(args) => completions::run(&args),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        // `| head` has seen enough: that is no failure.
        Err(error) if is_reader_gone(&error) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}
