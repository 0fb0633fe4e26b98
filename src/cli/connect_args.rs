//! How to reach a cluster: the arguments all client commands share.

use std::time::Duration;

use clap::Args;

use super::client::{ClientError, ClientOptions, ClusterClient};
use super::point_in_time::parse_duration_ms;

const DEFAULT_PORT: &str = "9092";

#[derive(Clone, Debug, Args)]
pub struct ConnectArgs {
    /// Address of any node; several with commas between
    #[arg(
        short,
        long,
        value_name = "HOST:PORT",
        default_value = "localhost:9092",
        value_delimiter = ','
    )]
    bootstrap: Vec<String>,

    /// How long to try before giving up (500ms, 30s, 2m)
    #[arg(long, value_name = "DURATION", default_value = "30s", value_parser = parse_timeout)]
    timeout: Duration,
}

impl ConnectArgs {
    /// Connects.
    pub fn connect(&self) -> Result<ClusterClient, ClientError> {
        ClusterClient::connect(ClientOptions {
            bootstrap: self.bootstrap.iter().map(|address| with_port(address)).collect(),
            timeout: self.timeout,
            client_id: "corelane-cli".to_owned(),
        })
    }
}

fn parse_timeout(text: &str) -> Result<Duration, String> {
    match parse_duration_ms(text) {
        Some(ms) if ms > 0 => Ok(Duration::from_millis(ms as u64)),
        _ => Err("not a duration: write 500ms, 30s or 2m".to_owned()),
    }
}

/// Adds Kafka's port where none is given.
fn with_port(address: &str) -> String {
    let is_bare_v6 = address.matches(':').count() > 1 && !address.starts_with('[');
    match address.rsplit_once(':') {
        _ if is_bare_v6 => format!("[{address}]:{DEFAULT_PORT}"),
        Some((_, port)) if port.parse::<u16>().is_ok() => address.to_owned(),
        _ => format!("{address}:{DEFAULT_PORT}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_port_may_be_left_out() {
        let check = |given: &str, expected: &str| assert_eq!(with_port(given), expected);
        check("localhost", "localhost:9092");
        check("broker:19092", "broker:19092");
        check("::1", "[::1]:9092");
        check("[::1]", "[::1]:9092");
        check("[::1]:9093", "[::1]:9093");
    }
}
