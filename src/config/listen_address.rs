//! `HOST:PORT` as `listen` has it.

use std::fmt;

/// A host and the port of shard 0; shard n takes the port n further on.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ListenAddress {
    /// A host name, an IPv4 address or an IPv6 address without brackets.
    pub host: String,
    /// 0: any free range of ports.
    pub port: u16,
}

impl ListenAddress {
    /// Reads `HOST:PORT`, an IPv6 address in brackets. `None` for anything else.
    pub fn parse(text: &str) -> Option<ListenAddress> {
        let (host, port) = text.trim().rsplit_once(':')?;
        let port = port.parse().ok()?;
        let host = match host.strip_prefix('[') {
            Some(rest) => {
                let host = rest.strip_suffix(']')?;
                host.parse::<std::net::Ipv6Addr>().ok()?;
                host
            }
            None => host,
        };
        let plain = |c: char| !c.is_whitespace() && !"/[],=".contains(c);
        let bracketed = text.trim().starts_with('[');
        if host.is_empty() || !host.chars().all(plain) || (host.contains(':') && !bracketed) {
            return None;
        }
        Some(ListenAddress {
            host: host.to_string(),
            port,
        })
    }
}

impl fmt::Display for ListenAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ListenAddress { host, port } = self;
        if host.contains(':') {
            write!(f, "[{host}]:{port}")
        } else {
            write!(f, "{host}:{port}")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_and_ports() {
        for text in [
            "localhost:9092",
            "127.0.0.1:0",
            "[::]:9092",
            "[fe80::1]:1",
            "broker-1.example.org:65535",
        ] {
            assert_eq!(ListenAddress::parse(text).expect(text).to_string(), text);
        }
        for wrong in [
            "localhost",
            ":9092",
            "::1:9092",
            "[::1:9092",
            "[abc]:1",
            "a:65536",
            "http://a:1",
            "a b:1",
        ] {
            assert_eq!(ListenAddress::parse(wrong), None, "{wrong:?}");
        }
    }
}
