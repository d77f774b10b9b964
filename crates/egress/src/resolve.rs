//! Names to addresses.
//!
//! Both families are asked for separately, and nobody waits long for the slower one (RFC 8305, section 3): a name server
//! that answers only one of the two queries, or spoils one answer, delays nothing.

use crate::error::SetupError;
use crate::system_files::{Fingerprint, SystemFiles};
use arc_swap::ArcSwap;
use hickory_resolver::config::{ConnectionConfig, NameServerConfig, ResolveHosts, ResolverConfig, ResolverOpts};
use hickory_resolver::net::runtime::TokioRuntimeProvider;
use hickory_resolver::net::{DnsError, NetError};
use hickory_resolver::proto::op::{Query, ResponseCode};
use hickory_resolver::proto::rr::{Name, RecordType};
use hickory_resolver::{Hosts, TokioResolver};
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, sleep_until};

/// How long the second answer is waited for when the first has addresses.
const SECOND_ANSWER: Duration = Duration::from_millis(50);
/// An answer is used for its TTL, within these bounds.
const MIN_TTL: Duration = Duration::from_secs(1);
const MAX_TTL: Duration = Duration::from_secs(300);
/// That a name does not exist is remembered no longer than this: customers add names while they try things.
const MAX_NEGATIVE_TTL: Duration = Duration::from_secs(10);
/// How often the system's files are checked for changes.
const CHECK_EVERY: Duration = Duration::from_secs(10);

/// Asks the system's name servers, or the one that the operator named. Follows changes of the system's files.
pub struct Resolver {
    current: Arc<ArcSwap<Current>>,
    /// Watches the files until this is dropped.
    _watch: JoinSet<()>,
}

/// As the files were when they were last read.
struct Current {
    resolver: TokioResolver,
    hosts: Hosts,
}

impl std::fmt::Debug for Resolver {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Resolver")
    }
}

impl Resolver {
    /// Needs a tokio runtime.
    pub fn new(server: Option<SocketAddr>) -> Result<Resolver, SetupError> {
        let sources = Sources { server, files: SystemFiles::default() };
        Resolver::with(sources, CHECK_EVERY).map_err(SetupError::Resolver)
    }

    fn with(sources: Sources, check_every: Duration) -> Result<Resolver, String> {
        let seen = sources.files.fingerprint();
        let current = Arc::new(ArcSwap::from_pointee(sources.load()?));
        let mut watch = JoinSet::new();
        watch.spawn(follow(sources, seen, check_every, current.clone()));
        Ok(Resolver { current, _watch: watch })
    }

    /// Begins to look `host` up, a name or an address as text.
    pub fn look_up(&self, host: &str) -> Lookup {
        if let Ok(address) = host.parse() {
            return Lookup::known(vec![address]);
        }
        let current = self.current.load_full();
        if let Some(addresses) = current.in_hosts_file(host) {
            return Lookup::known(addresses);
        }
        let mut answers = JoinSet::new();
        for kind in [RecordType::AAAA, RecordType::A] {
            let (resolver, host) = (current.resolver.clone(), host.to_owned());
            answers.spawn(async move {
                let answer = resolver.lookup(host, kind).await.map_err(|error| reason(&error))?;
                Ok(answer.answers().iter().filter_map(|record| record.data.ip_addr()).collect())
            });
        }
        Lookup { answers, addresses: vec![], second_answer_until: None, failure: None }
    }
}

/// A name that is being looked up. Dropped, it asks no further.
pub struct Lookup {
    answers: JoinSet<Result<Vec<IpAddr>, String>>,
    /// Not yet handed out.
    addresses: Vec<IpAddr>,
    second_answer_until: Option<Instant>,
    failure: Option<String>,
}

impl Lookup {
    fn known(addresses: Vec<IpAddr>) -> Lookup {
        Lookup { answers: JoinSet::new(), addresses, second_answer_until: None, failure: None }
    }

    /// More addresses; `None`: there are no more. A call that was dropped before it returned loses nothing.
    pub async fn next(&mut self) -> Option<Vec<IpAddr>> {
        loop {
            if self.answers.is_empty() {
                return (!self.addresses.is_empty()).then(|| std::mem::take(&mut self.addresses));
            }
            let until = self.second_answer_until;
            tokio::select! {
                Some(answer) = self.answers.join_next() => self.take(answer.unwrap_or_else(|_| Ok(vec![]))),
                () = sleep_until(until.unwrap_or_else(Instant::now)), if until.is_some() => {
                    self.second_answer_until = None;
                    return Some(std::mem::take(&mut self.addresses));
                }
            }
        }
    }

    fn take(&mut self, answer: Result<Vec<IpAddr>, String>) {
        match answer {
            Ok(addresses) if !addresses.is_empty() => {
                self.addresses.extend(addresses);
                self.second_answer_until = Some(Instant::now() + SECOND_ANSWER);
            }
            Ok(_) => {}
            Err(failure) if failure == NO_ADDRESS => {}
            Err(failure) => self.failure = Some(failure),
        }
    }

    /// Why there was no address, if there was none.
    pub fn failure(self) -> String {
        self.failure.unwrap_or_else(|| NO_ADDRESS.to_owned())
    }
}

const NO_ADDRESS: &str = "the name has no address";

/// In words for the people who own the name.
fn reason(error: &NetError) -> String {
    match error {
        NetError::Timeout => "the name servers did not answer".to_owned(),
        NetError::Dns(DnsError::NoRecordsFound(none)) => match none.response_code {
            ResponseCode::NoError => NO_ADDRESS.to_owned(),
            ResponseCode::NXDomain => "the name does not exist".to_owned(),
            code => format!("the name servers answered \"{code}\""),
        },
        NetError::Dns(DnsError::ResponseCode(code)) => format!("the name servers answered \"{code}\""),
        NetError::NoConnections | NetError::Io(_) => "the name servers can't be reached".to_owned(),
        _ => "the name servers gave no usable answer".to_owned(),
    }
}

/// Where names come from.
struct Sources {
    /// Instead of those in `resolv.conf`.
    server: Option<SocketAddr>,
    files: SystemFiles,
}

impl Sources {
    fn load(&self) -> Result<Current, String> {
        let (config, mut options) = match self.server {
            None => self.files.resolver()?,
            Some(server) => (only(server), ResolverOpts::default()),
        };
        options.positive_min_ttl = Some(MIN_TTL);
        options.positive_max_ttl = Some(MAX_TTL);
        options.negative_max_ttl = Some(MAX_NEGATIVE_TTL);
        // Read here, so that its changes are followed, and so that a name that is in it is not asked for elsewhere.
        options.use_hosts_file = ResolveHosts::Never;
        let mut builder = TokioResolver::builder_with_config(config, TokioRuntimeProvider::default());
        *builder.options_mut() = options;
        let resolver = builder.build().map_err(|error| error.to_string())?;
        Ok(Current { resolver, hosts: self.files.hosts() })
    }
}

fn only(server: SocketAddr) -> ResolverConfig {
    let connections = [ConnectionConfig::udp(), ConnectionConfig::tcp()].map(|mut connection| {
        connection.port = server.port();
        connection
    });
    ResolverConfig::from_parts(None, vec![], vec![NameServerConfig::new(server.ip(), true, connections.into())])
}

impl Current {
    fn in_hosts_file(&self, host: &str) -> Option<Vec<IpAddr>> {
        let name = Name::from_utf8(host).ok()?;
        let mut addresses = Vec::new();
        for kind in [RecordType::AAAA, RecordType::A] {
            let found = self.hosts.lookup_static_host(&Query::query(name.clone(), kind));
            addresses.extend(found.iter().flat_map(|found| found.answers()).filter_map(|record| record.data.ip_addr()));
        }
        (!addresses.is_empty()).then_some(addresses)
    }
}

/// Reads the files again whenever they have changed.
async fn follow(sources: Sources, mut seen: Fingerprint, check_every: Duration, current: Arc<ArcSwap<Current>>) {
    let sources = Arc::new(sources);
    loop {
        sleep(check_every).await;
        let (again, before) = (sources.clone(), seen.clone());
        // Files may lie on a network.
        let checked = tokio::task::spawn_blocking(move || {
            let now = again.files.fingerprint();
            (now != before).then(|| (again.load(), now))
        });
        match checked.await {
            Ok(Some((Ok(loaded), now))) => {
                tracing::info!("resolv.conf or the hosts file has changed; names are resolved accordingly from now on");
                current.store(Arc::new(loaded));
                seen = now;
            }
            // It may be half written: it is read again at the next check.
            Ok(Some((Err(reason), _))) => {
                tracing::warn!(%reason, "resolv.conf has changed and can't be used; the previous name servers stay");
            }
            Ok(None) | Err(_) => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::Ipv4Addr;
    use std::path::Path;
    use tempfile::TempDir;
    use tokio::net::UdpSocket;
    use tokio::time::timeout;

    /// A name server on port 53 of a loopback address that gives one address for all names; `None`: not allowed here.
    async fn name_server(on: Ipv4Addr, gives: Ipv4Addr) -> Option<JoinSet<()>> {
        let socket = UdpSocket::bind((on, 53)).await.ok()?;
        let mut running = JoinSet::new();
        running.spawn(async move {
            let mut packet = [0; 512];
            while let Ok((length, from)) = socket.recv_from(&mut packet).await {
                let end = 12 + packet[12..length].iter().position(|byte| *byte == 0).unwrap() + 5;
                let is_a = packet[end - 3] == 1;
                let mut answer = packet[..end].to_vec();
                answer[2..12].copy_from_slice(&[0x85, 0x80, 0, 1, 0, u8::from(is_a), 0, 0, 0, 0]);
                if is_a {
                    answer.extend([0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 60, 0, 4]);
                    answer.extend(gives.octets());
                }
                socket.send_to(&answer, from).await.unwrap();
            }
        });
        Some(running)
    }

    fn files(dir: &Path) -> SystemFiles {
        SystemFiles { resolv_conf: dir.join("resolv.conf"), hosts: dir.join("hosts") }
    }

    async fn addresses(resolver: &Resolver, host: &str) -> Vec<IpAddr> {
        let mut lookup = resolver.look_up(host);
        let mut all = Vec::new();
        while let Some(more) = lookup.next().await {
            all.extend(more);
        }
        all
    }

    async fn becomes(resolver: &Resolver, host: &str, expected: &[IpAddr]) {
        let so = async {
            while addresses(resolver, host).await != expected {
                sleep(Duration::from_millis(5)).await;
            }
        };
        timeout(Duration::from_secs(10), so).await.unwrap();
    }

    #[tokio::test]
    async fn changes_of_resolv_conf_and_hosts_are_followed() {
        let (one, two) = (Ipv4Addr::new(192, 0, 2, 1), Ipv4Addr::new(192, 0, 2, 2));
        let servers = (
            name_server(Ipv4Addr::new(127, 53, 0, 1), one).await,
            name_server(Ipv4Addr::new(127, 53, 0, 2), two).await,
        );
        let (Some(_first), Some(_second)) = servers else {
            assert!(std::env::var_os("CI").is_none(), "port 53 needs root; in CI this must be tested");
            println!("skipped: port 53 needs root");
            return;
        };
        let dir = TempDir::new().unwrap();
        let files = files(dir.path());
        std::fs::write(&files.resolv_conf, "nameserver 127.53.0.1\n").unwrap();
        let sources = Sources { server: None, files: files.clone() };
        let resolver = Resolver::with(sources, Duration::from_millis(20)).unwrap();
        becomes(&resolver, "hook.test", &[one.into()]).await;
        // Neither an empty file nor none at all is taken.
        std::fs::write(&files.resolv_conf, "").unwrap();
        sleep(Duration::from_millis(100)).await;
        becomes(&resolver, "hook.test", &[one.into()]).await;
        // Replaced, as DHCP clients and Kubernetes do it.
        std::fs::write(dir.path().join("new"), "nameserver 127.53.0.2\n").unwrap();
        std::fs::rename(dir.path().join("new"), &files.resolv_conf).unwrap();
        becomes(&resolver, "hook.test", &[two.into()]).await;
        std::fs::write(&files.hosts, "127.0.0.9 hook.test\n").unwrap();
        becomes(&resolver, "hook.test", &["127.0.0.9".parse().unwrap()]).await;
        std::fs::write(&files.hosts, "127.0.0.10 hook.test\n::1 hook.test\n").unwrap();
        becomes(&resolver, "hook.test", &["::1".parse().unwrap(), "127.0.0.10".parse().unwrap()]).await;
    }

    #[tokio::test(start_paused = true)]
    async fn the_second_answer_is_waited_for_a_moment_and_not_lost() {
        let (v4, v6): (IpAddr, IpAddr) = ("192.0.2.1".parse().unwrap(), "2001:db8::1".parse().unwrap());
        let mut lookup = Lookup::known(vec![]);
        lookup.answers.spawn(async move { Ok(vec![v4]) });
        lookup.answers.spawn(async move {
            sleep(Duration::from_secs(8)).await;
            Ok(vec![v6])
        });
        let began = Instant::now();
        assert_eq!(lookup.next().await, Some(vec![v4]));
        assert_eq!(began.elapsed().as_millis(), SECOND_ANSWER.as_millis());
        assert_eq!(lookup.next().await, Some(vec![v6]));
        assert_eq!(lookup.next().await, None);
    }

    #[tokio::test]
    async fn a_spoiled_answer_says_why_there_is_no_address() {
        let mut lookup = Lookup::known(vec![]);
        lookup.answers.spawn(async { Err("the name servers did not answer".to_owned()) });
        lookup.answers.spawn(async { Err(NO_ADDRESS.to_owned()) });
        assert_eq!(lookup.next().await, None);
        assert_eq!(lookup.failure(), "the name servers did not answer");
    }
}
