//! Takes the ports: for each address one per shard, one after the other.

use std::fmt::Write;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, ToSocketAddrs};
use std::time::{Duration, Instant};

use anyhow::{Context, anyhow, bail};

use crate::config::ListenAddress;
use crate::rt::net::{BoundListener, bind};

/// How often a free range is looked for. Ranges are tried where the kernel found one port free, so a few do.
const RANGE_ATTEMPTS: usize = 100;

/// How long a port that is asked for may be taken. When a server is killed, the kernel takes its io_uring apart, and with it
/// the listening sockets, only after the process is gone: a server started at once in its place finds them still there.
const PORT_FREED_WITHIN: Duration = Duration::from_secs(3);
/// How often that is looked at.
const PORT_LOOK_INTERVAL: Duration = Duration::from_millis(10);

/// All ports of the server, taken.
#[derive(Debug)]
pub struct PortPlan {
    /// Per shard, its listeners.
    pub listeners: Vec<Vec<BoundListener>>,
    /// Per address, the port of shard 0.
    pub bases: Vec<SocketAddr>,
    /// What a person should know: addresses of `localhost` that this machine does not have.
    pub notes: Vec<String>,
}

impl PortPlan {
    /// Takes the ports of all addresses for so many shards.
    pub fn take(addresses: &[ListenAddress], shards: u16) -> anyhow::Result<PortPlan> {
        let mut plan = PortPlan {
            listeners: (0..shards).map(|_| Vec::new()).collect(),
            bases: Vec::new(),
            notes: Vec::new(),
        };
        for address in addresses {
            plan.take_address(address, shards)?;
        }
        Ok(plan)
    }

    fn take_address(&mut self, address: &ListenAddress, shards: u16) -> anyhow::Result<()> {
        let ips = resolve(address)?;
        if address.port != 0 {
            let begun = Instant::now();
            loop {
                match take_range(address, &ips, address.port, shards) {
                    Ok(ranges) => {
                        self.add(address, ranges);
                        return Ok(());
                    }
                    Err(failure) if failure.is_taken() && begun.elapsed() < PORT_FREED_WITHIN => {
                        std::thread::sleep(PORT_LOOK_INTERVAL);
                    }
                    Err(failure) => return Err(failure.explain(address, shards)),
                }
            }
        }
        let mut last = None;
        for _ in 0..RANGE_ATTEMPTS {
            let base = free_port(&ips).with_context(|| format!("could not listen on {address}"))?;
            match take_range(address, &ips, base, shards) {
                Ok(ranges) => {
                    self.add(address, ranges);
                    return Ok(());
                }
                // Somebody has a port in the middle of the range.
                Err(failure) if failure.is_taken() => last = Some(failure),
                Err(failure) => return Err(failure.explain(address, shards)),
            }
        }
        let last = last.map_or(String::new(), |failure| {
            format!(" (the last one tried: {})", failure.address)
        });
        bail!("no {shards} free ports in a row were found for {address}{last}; give a port with --listen")
    }

    fn add(&mut self, address: &ListenAddress, ranges: Ranges) {
        for range in ranges.taken {
            self.bases.push(range[0].local_addr());
            for (listeners, listener) in self.listeners.iter_mut().zip(range) {
                listeners.push(listener);
            }
        }
        for missing in ranges.missing {
            self.notes.push(match missing {
                ALL => format!("this machine has no IPv6: {address} is served on IPv4 alone"),
                missing => {
                    format!("{missing} is not an address of this machine: {address} is served without it")
                }
            });
        }
    }

    /// All addresses, those of one host together.
    pub fn addresses(&self) -> Vec<SocketAddr> {
        let shards = self.listeners.len() as u16;
        let of_base = |base: &SocketAddr| {
            let base = *base;
            (0..shards).map(move |shard| SocketAddr::new(base.ip(), base.port() + shard))
        };
        self.bases.iter().flat_map(of_base).collect()
    }
}

/// The addresses a host stands for.
fn resolve(address: &ListenAddress) -> anyhow::Result<Vec<IpAddr>> {
    if address.host == "localhost" {
        // Clients may try either first, whatever /etc/hosts says here.
        return Ok(vec![
            IpAddr::V4(Ipv4Addr::LOCALHOST),
            IpAddr::V6(Ipv6Addr::LOCALHOST),
        ]);
    }
    let found = (address.host.as_str(), address.port).to_socket_addrs().with_context(|| {
        format!("the address to listen on, {address}, is not known here; give one of this machine with --listen")
    })?;
    let mut ips: Vec<IpAddr> = Vec::new();
    for ip in found.map(|found| found.ip()) {
        if !ips.contains(&ip) {
            ips.push(ip);
        }
    }
    if ips.is_empty() {
        bail!(
            "the address to listen on, {address}, stands for no address; give one of this machine with --listen"
        );
    }
    Ok(ips)
}

struct Ranges {
    /// Per address, a listener per shard.
    taken: Vec<Vec<BoundListener>>,
    missing: Vec<IpAddr>,
}

/// All addresses of IPv6, which on Linux takes IPv4 as well.
const ALL: IpAddr = IpAddr::V6(Ipv6Addr::UNSPECIFIED);
/// What is left of it on a machine without IPv6.
const ALL_IPV4: IpAddr = IpAddr::V4(Ipv4Addr::UNSPECIFIED);

struct Failure {
    address: SocketAddr,
    error: io::Error,
}

fn take_range(listen: &ListenAddress, ips: &[IpAddr], base: u16, shards: u16) -> Result<Ranges, Failure> {
    let mut ranges = Ranges {
        taken: Vec::new(),
        missing: Vec::new(),
    };
    let mut not_here = None;
    for ip in ips {
        match take_ports(*ip, base, shards) {
            Ok(listeners) => ranges.taken.push(listeners),
            // A name may stand for more addresses than this machine has; `localhost` without IPv6 is the common case.
            Err(failure) if ips.len() > 1 && is_not_here(&failure.error) => {
                tracing::debug!(%listen, address = %failure.address, error = %failure.error, "left out");
                ranges.missing.push(*ip);
                not_here = Some(failure);
            }
            Err(failure) if *ip == ALL && is_not_here(&failure.error) => {
                ranges.taken.push(take_ports(ALL_IPV4, base, shards)?);
                ranges.missing.push(*ip);
            }
            Err(failure) => return Err(failure),
        }
    }
    match not_here {
        Some(failure) if ranges.taken.is_empty() => Err(failure),
        _ => Ok(ranges),
    }
}

fn is_not_here(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::AddrNotAvailable
        || error.raw_os_error() == Some(rustix::io::Errno::AFNOSUPPORT.raw_os_error())
}

fn take_ports(ip: IpAddr, base: u16, shards: u16) -> Result<Vec<BoundListener>, Failure> {
    (0..shards)
        .map(|shard| match base.checked_add(shard) {
            Some(port) => {
                let address = SocketAddr::new(ip, port);
                bind(address).map_err(|error| Failure { address, error })
            }
            None => {
                let error = io::Error::new(io::ErrorKind::InvalidInput, "there is no port above 65535");
                Err(Failure {
                    address: SocketAddr::new(ip, base),
                    error,
                })
            }
        })
        .collect()
}

/// A port that is free on the first of these addresses that this machine has.
fn free_port(ips: &[IpAddr]) -> io::Result<u16> {
    let mut last = io::Error::from(io::ErrorKind::AddrNotAvailable);
    let all_ipv4 = ips.contains(&ALL).then_some(&ALL_IPV4);
    for ip in ips.iter().chain(all_ipv4) {
        match bind(SocketAddr::new(*ip, 0)) {
            Ok(listener) => return Ok(listener.local_addr().port()),
            Err(error) => last = error,
        }
    }
    Err(last)
}

impl Failure {
    fn is_taken(&self) -> bool {
        self.error.kind() == io::ErrorKind::AddrInUse
    }

    fn explain(self, listen: &ListenAddress, shards: u16) -> anyhow::Error {
        let Failure { address, error } = self;
        let mut text = format!("could not listen on {address}");
        let _ = match error.kind() {
            io::ErrorKind::AddrInUse => write!(
                text,
                ": the port is taken by another program. Stop that one, or listen elsewhere, for example --listen {}",
                ListenAddress {
                    port: listen.port.checked_add(10_000).unwrap_or(19_092),
                    ..listen.clone()
                }
            ),
            io::ErrorKind::AddrNotAvailable => {
                write!(
                    text,
                    ": this machine has no such address. Give one of its own with --listen, or [::]:9092 for all"
                )
            }
            io::ErrorKind::PermissionDenied => {
                write!(
                    text,
                    ": no permission. Ports below 1024 need it; choose a higher one with --listen"
                )
            }
            _ => write!(text, ": {error}"),
        };
        if shards > 1 && listen.port != 0 {
            let last = u32::from(listen.port) + u32::from(shards) - 1;
            let _ = write!(
                text,
                " ({shards} shards take the ports {} to {last})",
                listen.port
            );
        }
        anyhow!(text)
    }
}
