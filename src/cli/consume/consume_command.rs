//! The arguments of `corelane consume`.

use std::io::IsTerminal;

use anyhow::bail;
use clap::{Args, ValueEnum};

use super::group_session::{GroupSession, Until};
use super::interrupt::Interrupt;
use super::reader::Reader;
use super::record_format::{RecordFormat, RecordPrinter};
use super::sink::{Appetite, Sink};
use super::start_point::{StartPoint, parse_start_point, resolve};
use crate::cli::client::{
    Assignor, AutoCreate, ClusterClient, FetchOptions, GroupMember, Isolation, MemberOptions, Partition,
};
use crate::cli::connect_args::ConnectArgs;
use crate::cli::escape::parse_separator;
use crate::cli::progress::{Progress, Shown, Total};

const EXAMPLES: &str = "\
Examples:
  corelane consume clicks
  corelane consume clicks --exit-at-end > clicks.txt
  corelane consume clicks --from -10 --exit-at-end --format json
  corelane consume clicks --from 15m --format key-value --separator ' => '
  corelane consume clicks --group counters
  corelane consume clicks --partition 3 --from 42 --count 1";

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum IsolationArg {
    /// All records
    ReadUncommitted,
    /// Records of open and aborted transactions are left out
    ReadCommitted,
}

#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct ConsumeArgs {
    /// The topics
    #[arg(required = true, value_name = "TOPIC")]
    topics: Vec<String>,

    /// Where to begin: beginning, end, an offset (42), so many before the end (-10), or a time (15m,
    /// 2026-01-31T12:00:00Z, @1700000000000); with --group only where the group has no offset
    #[arg(long, value_name = "WHERE", default_value = "beginning", value_parser = parse_start_point)]
    #[arg(allow_hyphen_values = true)]
    from: StartPoint,

    /// Read only these partitions of each topic; several with commas between
    #[arg(
        short,
        long = "partition",
        value_name = "N",
        value_delimiter = ',',
        conflicts_with = "group"
    )]
    partitions: Vec<i32>,

    /// Read as a member of this group, which shares the partitions among its members and remembers how far it is
    #[arg(short, long)]
    group: Option<String>,

    /// How the group shares partitions; the others are offered as well
    #[arg(long, value_enum, default_value_t = Assignor::Range, requires = "group")]
    assignor: Assignor,

    /// A name for this member, which keeps its partitions over a restart (static membership)
    #[arg(long, value_name = "NAME", requires = "group")]
    instance_id: Option<String>,

    /// Stop after so many records
    #[arg(short = 'n', long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    count: Option<u64>,

    /// Stop when everything that was there at the start has been read
    #[arg(short, long)]
    exit_at_end: bool,

    /// What to print
    #[arg(short, long, value_enum, default_value_t = RecordFormat::Value)]
    format: RecordFormat,

    /// What to print between key and value (\t, \n, \0, \x1f are understood)
    #[arg(short, long, value_name = "TEXT", default_value = "\\t", value_parser = separator_arg)]
    separator: Separator,

    /// What to print behind each record
    #[arg(short, long, value_name = "TEXT", default_value = "\\n", value_parser = separator_arg)]
    delimiter: Separator,

    /// Which records of transactions to print
    #[arg(long, value_enum, default_value_t = IsolationArg::ReadUncommitted)]
    isolation: IsolationArg,

    /// How much of one partition to fetch at once, in bytes
    #[arg(long, value_name = "BYTES", default_value_t = 1024 * 1024, value_parser = clap::value_parser!(i32).range(1..))]
    fetch_bytes: i32,

    /// Draw no progress bar
    #[arg(short, long)]
    quiet: bool,

    #[command(flatten)]
    connect: ConnectArgs,
}

/// Bytes of a separator. A type of its own, because clap takes a `Vec` for several values.
#[derive(Clone, Debug)]
struct Separator(Vec<u8>);

fn separator_arg(text: &str) -> Result<Separator, String> {
    parse_separator(text).map(Separator)
}

pub fn run(args: &ConsumeArgs) -> anyhow::Result<()> {
    let mut client = args.connect.connect()?;
    let topics: Vec<&str> = args.topics.iter().map(String::as_str).collect();
    client.require_topics(&topics, AutoCreate::Denied)?;
    // A bar between the lines on a terminal would only be in the way.
    let to_file = !std::io::stdout().is_terminal();
    let shown = if to_file && !args.quiet {
        Shown::IfTerminal
    } else {
        Shown::No
    };
    let printer = RecordPrinter {
        format: args.format,
        separator: args.separator.0.clone(),
        delimiter: args.delimiter.0.clone(),
    };
    let mut sink = Sink::new(
        printer,
        args.count,
        Progress::new(args.count.map_or(Total::Unknown, Total::Records), shown),
    );
    let options = FetchOptions {
        isolation: match args.isolation {
            IsolationArg::ReadUncommitted => Isolation::ReadUncommitted,
            IsolationArg::ReadCommitted => Isolation::ReadCommitted,
        },
        partition_max_bytes: args.fetch_bytes,
    };
    match &args.group {
        None => read_alone(args, &mut client, &mut sink, options),
        Some(group) => {
            let interrupt = Interrupt::listen()?;
            let mut session = GroupSession {
                member: GroupMember::new(MemberOptions {
                    group: group.clone(),
                    topics: args.topics.clone(),
                    assignor: args.assignor,
                    instance_id: args.instance_id.clone(),
                }),
                options,
                start: args.from,
                until: if args.exit_at_end {
                    Until::End
                } else {
                    Until::Interrupted
                },
            };
            session.run(&mut client, &mut sink, &interrupt)
        }
    }
}

fn read_alone(
    args: &ConsumeArgs,
    client: &mut ClusterClient,
    sink: &mut Sink,
    options: FetchOptions,
) -> anyhow::Result<()> {
    let partitions = wanted_partitions(args, client)?;
    let positions = resolve(client, &partitions, args.from, options.isolation)?;
    let ends = match args.exit_at_end {
        true => Some(resolve(client, &partitions, StartPoint::End, options.isolation)?),
        false => None,
    };
    if let Some(ends) = &ends {
        // Offsets that compaction or markers have left empty make the bar arrive early, which does not hurt.
        let records: i64 = ends
            .iter()
            .map(|(partition, end)| end - positions[partition])
            .sum();
        sink.expect(
            args.count
                .map_or(records as u64, |count| count.min(records as u64)),
        );
    }
    let mut reader = Reader::new(positions, ends, options);
    while !reader.is_at_end() {
        if reader.step(client, sink)? == Appetite::Full {
            break;
        }
    }
    sink.flush()
}

fn wanted_partitions(args: &ConsumeArgs, client: &ClusterClient) -> anyhow::Result<Vec<Partition>> {
    let mut wanted = Vec::new();
    for name in &args.topics {
        let topic = &client.cluster().topics[name.as_str()];
        for index in &args.partitions {
            if !topic.partitions.iter().any(|partition| partition.index == *index) {
                bail!(
                    "topic {name} has no partition {index}, only 0 to {}",
                    topic.partitions.len() - 1
                );
            }
        }
        let all = topic.partitions.iter().map(|partition| partition.index);
        let picked = all.filter(|index| args.partitions.is_empty() || args.partitions.contains(index));
        wanted.extend(picked.map(|index| Partition::new(name, index)));
    }
    Ok(wanted)
}
