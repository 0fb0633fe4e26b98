//! The arguments of `corelane produce`, and the loop that sends.

use std::path::PathBuf;
use std::sync::mpsc::RecvTimeoutError;
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use clap::{Args, ValueEnum};
use serde_json::{Map, Value, json};

use super::input::{Input, Piece};
use super::record_reader::{KeepKey, ReadRecord, RecordForm, RecordReader};
use crate::cli::client::{Acks, ClientError, OutRecord, Producer, ProducerOptions};
use crate::cli::connect_args::ConnectArgs;
use crate::cli::escape::parse_separator;
use crate::cli::output::print_json;
use crate::cli::point_in_time::now_ms;
use crate::cli::progress::{Progress, Shown, Total};
use crate::wire::records::Compression;

const EXAMPLES: &str = "\
Examples:
  echo hello | corelane produce greetings
  corelane produce access access.log --key-separator ' ' --keep-key --compression zstd
  corelane produce users --key-separator : <<< 'alice:{\"age\": 30}'
  corelane produce pictures --whole-files a.png b.png
  corelane consume a --exit-at-end --format json | corelane produce b --format json";

/// How long a record may wait for others before it is sent. Longer than Kafka's 5 ms: a line out of a pipe is not urgent,
/// and below what a person notices.
const LINGER: Duration = Duration::from_millis(20);

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum InputFormat {
    /// Each line is a value, or a key and a value with --key-separator
    Lines,
    /// Each line is a JSON object with key, value, headers and timestamp
    Json,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum AcksArg {
    /// All replicas in sync
    All,
    /// The leader
    #[value(name = "1")]
    Leader,
    /// None: sent and forgotten
    #[value(name = "0")]
    None,
}

#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct ProduceArgs {
    /// The topic
    topic: String,

    /// Files to read; `-` or none is standard input
    #[arg(value_name = "FILE")]
    files: Vec<PathBuf>,

    /// What the input looks like
    #[arg(short, long, value_enum, default_value_t = InputFormat::Lines)]
    format: InputFormat,

    /// What stands between key and value (\t, \n, \0, \x1f are understood)
    #[arg(short = 'k', long, value_name = "TEXT", value_parser = separator_arg, conflicts_with = "whole_files")]
    key_separator: Option<Separator>,

    /// Leave the key in the value as well
    #[arg(long, requires = "key_separator")]
    keep_key: bool,

    /// What ends a record
    #[arg(short, long, value_name = "TEXT", default_value = "\\n", value_parser = separator_arg)]
    delimiter: Separator,

    /// Each file is one record
    #[arg(long, conflicts_with = "format")]
    whole_files: bool,

    /// A value that stands for none: a tombstone
    #[arg(long, value_name = "TEXT")]
    null_value: Option<String>,

    /// A header for all records; may be given several times
    #[arg(short = 'H', long = "header", value_name = "NAME=VALUE", value_parser = parse_header)]
    headers: Vec<(String, String)>,

    /// Send everything to this partition, instead of the one the key decides
    #[arg(short, long, value_name = "N")]
    partition: Option<i32>,

    /// none, gzip, snappy, lz4 or zstd
    #[arg(short = 'z', long, value_name = "CODEC", default_value = "none")]
    compression: Compression,

    /// Who must have a record before it counts as sent
    #[arg(short, long, value_enum, default_value_t = AcksArg::All)]
    acks: AcksArg,

    /// Without sequence numbers: what is sent again after an error may be written twice
    #[arg(long)]
    no_idempotence: bool,

    /// How large a batch may be, before compression
    #[arg(long, value_name = "BYTES", default_value_t = 512 * 1024, value_parser = clap::value_parser!(u32).range(1..))]
    batch_bytes: u32,

    /// Say nothing but errors
    #[arg(short, long)]
    quiet: bool,

    /// Print what was sent as JSON
    #[arg(long)]
    json: bool,

    #[command(flatten)]
    connect: ConnectArgs,
}

/// Bytes of a separator. A type of its own, because clap takes a `Vec` for several values.
#[derive(Clone, Debug)]
struct Separator(Vec<u8>);

fn separator_arg(text: &str) -> Result<Separator, String> {
    parse_separator(text).map(Separator)
}

fn parse_header(text: &str) -> Result<(String, String), String> {
    let (name, value) = text.split_once('=').ok_or("write it as name=value")?;
    Ok((name.to_owned(), value.to_owned()))
}

pub fn run(args: &ProduceArgs) -> anyhow::Result<()> {
    let input = Input::open(&args.files)?;
    let mut client = args.connect.connect()?;
    let mut producer = Producer::new(&mut client, producer_options(args))?;
    if input.is_terminal() && !args.quiet {
        eprintln!("type records, one a line; Ctrl-D ends");
    }
    let is_shown = !args.quiet && !input.is_terminal();
    let shown = if is_shown { Shown::IfTerminal } else { Shown::No };
    let mut progress = Progress::new(input.total_bytes().map_or(Total::Unknown, Total::Bytes), shown);
    let started = Instant::now();
    let mut result = send_all(args, input, &mut producer, &mut progress);
    if result.as_ref().is_err_and(|error| !error.is::<ClientError>()) {
        // It is the input that has failed: what was read before is still to be sent.
        let settled = producer.finish();
        result = result.and(settled.map_err(Into::into));
    }
    progress.finish();
    // What was acknowledged before an error is worth knowing, too.
    report(args, &producer, started.elapsed())?;
    result
}

fn producer_options(args: &ProduceArgs) -> ProducerOptions {
    let acks = match args.acks {
        AcksArg::All => Acks::All,
        AcksArg::Leader => Acks::Leader,
        AcksArg::None => Acks::None,
    };
    ProducerOptions {
        topic: args.topic.clone(),
        partition: args.partition,
        compression: args.compression,
        acks,
        // The broker demands acks=all for sequence numbers.
        idempotent: !args.no_idempotence && acks == Acks::All,
        batch_bytes: args.batch_bytes as usize,
    }
}

fn record_reader(args: &ProduceArgs) -> RecordReader {
    let keep_key = if args.keep_key { KeepKey::Yes } else { KeepKey::No };
    let form = match (args.format, &args.key_separator) {
        (InputFormat::Json, _) => RecordForm::Json,
        (InputFormat::Lines, Some(separator)) => RecordForm::KeyAndValue {
            separator: separator.0.clone(),
            keep_key,
        },
        (InputFormat::Lines, None) => RecordForm::Value,
    };
    let delimiter = (!args.whole_files).then(|| args.delimiter.0.clone());
    RecordReader::new(form, delimiter, args.null_value.clone().map(String::into_bytes))
}

fn send_all(
    args: &ProduceArgs,
    input: Input,
    producer: &mut Producer<'_>,
    progress: &mut Progress,
) -> anyhow::Result<()> {
    if args.format == InputFormat::Json && args.key_separator.is_some() {
        bail!("--key-separator has no meaning with --format json: the objects have keys");
    }
    let common_headers: Vec<(&str, Option<&[u8]>)> = args
        .headers
        .iter()
        .map(|(name, value)| (name.as_str(), Some(value.as_bytes())))
        .collect();
    let mut reader = record_reader(args);
    let pieces = input.read();
    loop {
        let mut records = 0;
        let mut take = |record: ReadRecord<'_>| {
            records += 1;
            append(producer, &common_headers, record)
        };
        match pieces.recv_timeout(LINGER) {
            Ok(Piece::Block(block)) => {
                reader.push(&block, &mut take)?;
                progress.add(records, block.len() as u64);
            }
            Ok(Piece::FileEnd) => {
                reader.end_file(&mut take)?;
                progress.add(records, 0);
            }
            Ok(Piece::Failed { name, error }) => return Err(error).context(format!("cannot read {name}")),
            // Nothing came: a good time to send and to hear what became of it.
            Err(RecvTimeoutError::Timeout) => producer.finish()?,
            Err(RecvTimeoutError::Disconnected) => break,
        }
        if producer.oldest_age().is_some_and(|age| age > LINGER) {
            producer.flush()?;
        }
    }
    Ok(producer.finish()?)
}

fn append(
    producer: &mut Producer<'_>,
    common_headers: &[(&str, Option<&[u8]>)],
    record: ReadRecord<'_>,
) -> anyhow::Result<()> {
    match record {
        ReadRecord::Plain { key, value } => {
            producer.append(&OutRecord {
                timestamp_ms: now_ms(),
                key,
                value,
                headers: common_headers,
            })?;
        }
        ReadRecord::Json(record) => {
            let own = record
                .headers
                .iter()
                .map(|(name, value)| (name.as_str(), value.as_deref()));
            let headers: Vec<_> = own.chain(common_headers.iter().copied()).collect();
            producer.append(&OutRecord {
                timestamp_ms: record.timestamp_ms.unwrap_or_else(now_ms),
                key: record.key.as_deref(),
                value: record.value.as_deref(),
                headers: &headers,
            })?;
        }
    }
    Ok(())
}

fn report(args: &ProduceArgs, producer: &Producer<'_>, took: Duration) -> anyhow::Result<()> {
    let records: u64 = producer.sent().values().map(|sent| sent.records).sum();
    let bytes: u64 = producer.sent().values().map(|sent| sent.bytes).sum();
    if args.json {
        let partitions: Map<String, Value> = producer
            .sent()
            .iter()
            .map(|(index, sent)| {
                (
                    index.to_string(),
                    json!({"records": sent.records, "bytes": sent.bytes}),
                )
            })
            .collect();
        return print_json(&json!({
            "topic": args.topic,
            "records": records,
            "bytes": bytes,
            "seconds": took.as_secs_f64(),
            "partitions": partitions,
        }));
    }
    if !args.quiet {
        let verb = if args.acks == AcksArg::None {
            "sent (nobody says whether they arrived)"
        } else {
            "sent"
        };
        eprintln!(
            "{verb} {records} records, {} to {} in {:.2} s",
            human_bytes(bytes),
            args.topic,
            took.as_secs_f64()
        );
    }
    Ok(())
}

fn human_bytes(bytes: u64) -> String {
    indicatif::BinaryBytes(bytes).to_string()
}
