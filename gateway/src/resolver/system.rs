//! Lookups as the system's configuration says: the hosts file first, then the name servers of `resolv.conf` with its
//! search list, `ndots`, `timeout` and `attempts`. Both files are read anew when they change.

use std::{
    cell::RefCell,
    fs, io,
    net::{IpAddr, SocketAddr},
    path::Path,
    time::{Duration, Instant, SystemTime},
};

use hickory_resolver::{
    Hosts, TokioResolver,
    config::{ConnectionConfig, LookupIpStrategy, NameServerConfig, ResolveHosts, ResolverConfig, ResolverOpts},
    net::{NetError, runtime::TokioRuntimeProvider},
    proto::{
        op::Query,
        rr::{Name, RecordType},
    },
    system_conf::parse_resolv_conf,
};
use rollgate_config::static_config::Resolver;

use super::record::Outcome;

/// The system's configuration, and a resolver made from it.
pub(super) struct System {
    config: Resolver,
    current: RefCell<Option<Current>>,
}

struct Current {
    resolver: TokioResolver,
    hosts: Hosts,
    files: [Option<(SystemTime, u64)>; 2],
    looked_at: Instant,
}

impl System {
    pub(super) fn new(config: Resolver) -> Self {
        Self { config, current: RefCell::new(None) }
    }

    /// One lookup, of both families.
    pub(super) async fn look_up(&self, host: &str) -> Outcome {
        let resolver = match self.resolver(host) {
            Ok(Source::Dns(resolver)) => resolver,
            Ok(Source::Hosts(addresses)) => return found(addresses, self.config.max_ttl),
            Err(error) => return Outcome::Failed(error.to_string()),
        };
        match resolver.lookup_ip(host).await {
            Ok(lookup) => {
                let left = lookup.valid_until().saturating_duration_since(Instant::now());
                let shortest = lookup.as_lookup().answers().iter().map(|record| record.ttl).min().unwrap_or(0);
                found(lookup.iter().collect(), left.min(Duration::from_secs(shortest.into())))
            }
            Err(error) if is_absent(&error) => Outcome::Absent(error.to_string()),
            Err(error) => Outcome::Failed(error.to_string()),
        }
    }

    /// The hosts file's addresses, or the resolver to ask.
    fn resolver(&self, host: &str) -> io::Result<Source> {
        let mut current = self.current.borrow_mut();
        let now = Instant::now();
        let stale = match &mut *current {
            None => true,
            Some(current) if now.duration_since(current.looked_at) < LOOK => false,
            Some(current) => {
                current.looked_at = now;
                current.files != self.files()
            }
        };
        if stale {
            *current = Some(self.read(now)?);
        }
        let Some(current) = &*current else { return Err(io::Error::other("nothing was read")) };
        let listed = in_hosts(&current.hosts, host);
        Ok(if listed.is_empty() { Source::Dns(Box::new(current.resolver.clone())) } else { Source::Hosts(listed) })
    }

    fn files(&self) -> [Option<(SystemTime, u64)>; 2] {
        [&self.config.resolv_config, &self.config.hosts].map(|path| stamp(path))
    }

    fn read(&self, now: Instant) -> io::Result<Current> {
        // Stamped before they are read: a change in between is found at the next look.
        let files = self.files();
        let mut hosts = Hosts::default();
        match fs::read(&self.config.hosts) {
            Ok(bytes) => hosts.read_hosts_conf(bytes.as_slice())?,
            Err(error) => tracing::warn!(path = %self.config.hosts.display(), %error, "the hosts file cannot be read"),
        }
        let (config, mut options) = self.resolv_conf()?;
        // We keep what we need, and ask again when we want to know.
        options.cache_size = 0;
        options.use_hosts_file = ResolveHosts::Never;
        options.ip_strategy = LookupIpStrategy::Ipv4AndIpv6;
        options.max_active_requests = options.max_active_requests.max(2 * super::AT_ONCE);
        let mut builder = TokioResolver::builder_with_config(config, TokioRuntimeProvider::default());
        *builder.options_mut() = options;
        let resolver = builder.build().map_err(io::Error::other)?;
        Ok(Current { resolver, hosts, files, looked_at: now })
    }

    /// What stands in `resolv.conf`; without a name server in it, the one of this machine, as in the C library.
    fn resolv_conf(&self) -> io::Result<(ResolverConfig, ResolverOpts)> {
        let path = &self.config.resolv_config;
        let mut written = fs::read(path).unwrap_or_else(|error| {
            tracing::warn!(path = %path.display(), %error, "it cannot be read");
            Vec::new()
        });
        let read = parse_resolv_conf(&written).or_else(|_| {
            written.extend_from_slice(LOCAL);
            parse_resolv_conf(&written)
        });
        let (config, options) = read.map_err(io::Error::other)?;
        if self.config.name_servers.is_empty() {
            return Ok((config, options));
        }
        let (domain, search, _) = config.into_parts();
        let servers = self.config.name_servers.iter().copied().map(name_server).collect();
        Ok((ResolverConfig::from_parts(domain, search, servers), options))
    }
}

enum Source {
    Hosts(Vec<IpAddr>),
    Dns(Box<TokioResolver>),
}

fn name_server(address: SocketAddr) -> NameServerConfig {
    let on_port = |mut connection: ConnectionConfig| {
        connection.port = address.port();
        connection
    };
    let connections = vec![on_port(ConnectionConfig::udp()), on_port(ConnectionConfig::tcp())];
    NameServerConfig::new(address.ip(), true, connections)
}

fn in_hosts(hosts: &Hosts, host: &str) -> Vec<IpAddr> {
    let Ok(name) = Name::from_utf8(host.to_ascii_lowercase()) else { return Vec::new() };
    let families = [RecordType::A, RecordType::AAAA].into_iter();
    let listed = families.filter_map(|family| hosts.lookup_static_host(&Query::query(name.clone(), family)));
    let addresses = |lookup: hickory_resolver::lookup::Lookup| {
        lookup.answers().iter().filter_map(|record| record.data.ip_addr()).collect::<Vec<_>>()
    };
    listed.flat_map(addresses).collect()
}

/// Sorted, so that the same answer in another order is no change.
fn found(mut addresses: Vec<IpAddr>, ttl: Duration) -> Outcome {
    addresses.sort_unstable();
    addresses.dedup();
    if addresses.is_empty() {
        return Outcome::Absent("it has no address".into());
    }
    Outcome::Found { addresses, ttl }
}

fn is_absent(error: &NetError) -> bool {
    error.is_nx_domain() || error.is_no_records_found()
}

fn stamp(path: &Path) -> Option<(SystemTime, u64)> {
    let metadata = fs::metadata(path).ok()?;
    Some((metadata.modified().ok()?, metadata.len()))
}

const LOCAL: &[u8] = b"\nnameserver 127.0.0.1\n";
/// How often the files are looked at.
const LOOK: Duration = Duration::from_secs(1);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hosts_file_gives_both_families() {
        let mut hosts = Hosts::default();
        hosts.read_hosts_conf(&b"10.0.0.1 a a.test # b\n::1 a\n\n10.0.0.2 a\n"[..]).unwrap();
        let addresses = |host| in_hosts(&hosts, host).iter().map(ToString::to_string).collect::<Vec<_>>();
        assert_eq!(addresses("A"), ["10.0.0.1", "10.0.0.2", "::1"]);
        assert_eq!(addresses("a.test."), ["10.0.0.1"]);
        assert_eq!(addresses("b"), [""; 0]);
    }

    #[test]
    fn an_answer_without_addresses_is_none() {
        assert!(matches!(found(Vec::new(), Duration::ZERO), Outcome::Absent(_)));
        let twice = found(vec![[10, 0, 0, 2].into(), [10, 0, 0, 1].into(), [10, 0, 0, 2].into()], Duration::ZERO);
        let Outcome::Found { addresses, .. } = twice else { panic!("{twice:?}") };
        assert_eq!(addresses, [IpAddr::from([10, 0, 0, 1]), IpAddr::from([10, 0, 0, 2])]);
    }
}
