//! A DNS server that says what a test wants: names with addresses, names whose addresses change
//! from one lookup to the next, names that are never answered.
//!
//! It speaks UDP only, answers A and AAAA, and every answer has a TTL of 0. A name that nobody set does not exist.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::net::UdpSocket;
use tokio::task::JoinSet;
use tokio::time::sleep;

const A: u16 = 1;
const AAAA: u16 = 28;
const HEADER: usize = 12;
/// A pointer to the question's name, which starts right behind the header.
const SAME_NAME: [u8; 2] = [0xc0, HEADER as u8];

/// What kind of address a query asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Family {
    V4,
    V6,
}

/// What becomes of the answer to one kind of query.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Spoiled {
    Dropped,
    Late(Duration),
    /// A packet that starts as an answer and is none.
    Garbage,
    /// The server says that it failed.
    Failure,
}

/// The server; it ends when this is dropped.
#[derive(Debug)]
pub struct Dns {
    addr: SocketAddr,
    names: Arc<Mutex<Names>>,
    _running: JoinSet<()>,
}

impl Dns {
    /// On a free port of 127.0.0.1.
    pub async fn start() -> Dns {
        Dns::start_on(SocketAddr::from((Ipv4Addr::LOCALHOST, 0))).await
    }

    pub async fn start_on(addr: SocketAddr) -> Dns {
        let socket = UdpSocket::bind(addr).await.unwrap();
        let addr = socket.local_addr().unwrap();
        let names = Arc::new(Mutex::new(Names::default()));
        let mut running = JoinSet::new();
        running.spawn(answer_all(socket, names.clone()));
        Dns { addr, names, _running: running }
    }

    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// `name` has these addresses from now on; none at all means that the name exists without any.
    pub fn set(&self, name: &str, addresses: Vec<IpAddr>) {
        self.set_in_turn(name, vec![addresses]);
    }

    /// The first lookup of `name` gets the first of these lists, the second the second; the last
    /// repeats.
    ///
    /// A lookup is an A query and an AAAA query, in any order, or one of them alone.
    pub fn set_in_turn(&self, name: &str, turns: Vec<Vec<IpAddr>>) {
        assert!(!turns.is_empty(), "{name}: no turn at all");
        self.put(name, Entry::Turns { turns, a: 0, aaaa: 0 });
    }

    /// Queries for `name` are never answered.
    pub fn hang(&self, name: &str) {
        self.put(name, Entry::Hangs);
    }

    /// From now on, this becomes of the answers to queries for `name` of one kind.
    pub fn spoil(&self, name: &str, family: Family, spoiled: Spoiled) {
        self.names.lock().unwrap().spoiled.insert((normal(name), family), spoiled);
    }

    /// How many queries came for `name`, of whatever type, since the start: a lookup is mostly two.
    pub fn queries(&self, name: &str) -> usize {
        self.names.lock().unwrap().queries.get(&normal(name)).copied().unwrap_or(0)
    }

    fn put(&self, name: &str, entry: Entry) {
        self.names.lock().unwrap().entries.insert(normal(name), entry);
    }
}

fn normal(name: &str) -> String {
    name.trim_end_matches('.').to_ascii_lowercase()
}

#[derive(Debug, Default)]
struct Names {
    entries: HashMap<String, Entry>,
    spoiled: HashMap<(String, Family), Spoiled>,
    queries: HashMap<String, usize>,
}

#[derive(Debug)]
enum Entry {
    Turns { turns: Vec<Vec<IpAddr>>, a: usize, aaaa: usize },
    Hangs,
}

enum Reply {
    Addresses(Vec<IpAddr>),
    NoSuchName,
    Failure,
    Silence,
}

impl Names {
    fn spoiled(&self, question: &Question) -> Option<Spoiled> {
        let family = match question.kind {
            A => Family::V4,
            AAAA => Family::V6,
            _ => return None,
        };
        self.spoiled.get(&(question.name.clone(), family)).copied()
    }

    fn reply(&mut self, question: &Question) -> Reply {
        *self.queries.entry(question.name.clone()).or_default() += 1;
        match self.entries.get_mut(&question.name) {
            None => Reply::NoSuchName,
            Some(Entry::Hangs) => Reply::Silence,
            Some(Entry::Turns { turns, a, aaaa }) => {
                let (own, other) = match question.kind {
                    A => (a, *aaaa),
                    AAAA => (aaaa, *a),
                    _ => return Reply::Addresses(vec![]),
                };
                // The second query of a pair gets the turn of the first, whichever comes first, and
                // also when earlier lookups did without the second.
                let turn = (*own).max(other.saturating_sub(1)).min(turns.len() - 1);
                *own += 1;
                let asked = |address: &IpAddr| address.is_ipv4() == (question.kind == A);
                Reply::Addresses(turns[turn].iter().copied().filter(asked).collect())
            }
        }
    }
}

async fn answer_all(socket: UdpSocket, names: Arc<Mutex<Names>>) {
    let socket = Arc::new(socket);
    let mut late = JoinSet::new();
    let mut buffer = [0; 4096];
    loop {
        // An error here is about an earlier answer, to somebody who has left.
        let Ok((length, from)) = socket.recv_from(&mut buffer).await else { continue };
        let Some(question) = Question::parse(&buffer[..length]) else { continue };
        let (reply, spoiled) = {
            let mut names = names.lock().unwrap();
            (names.reply(&question), names.spoiled(&question))
        };
        let query = &buffer[..question.end];
        let (packet, delay) = match spoiled {
            None => (write(query, &reply), None),
            Some(Spoiled::Dropped) => continue,
            Some(Spoiled::Late(delay)) => (write(query, &reply), Some(delay)),
            Some(Spoiled::Failure) => (write(query, &Reply::Failure), None),
            Some(Spoiled::Garbage) => (write(query, &reply).map(garbled), None),
        };
        let Some(packet) = packet else { continue };
        let socket = socket.clone();
        late.spawn(async move {
            if let Some(delay) = delay {
                sleep(delay).await;
            }
            let _ = socket.send_to(&packet, from).await;
        });
        while late.try_join_next().is_some() {}
    }
}

/// The header promises one record; noise follows.
fn garbled(mut packet: Vec<u8>) -> Vec<u8> {
    packet.truncate(HEADER);
    packet[6..8].copy_from_slice(&1u16.to_be_bytes());
    packet.extend([0xff; 40]);
    packet
}

struct Question {
    name: String,
    kind: u16,
    /// Where the question ends in its packet.
    end: usize,
}

impl Question {
    fn parse(packet: &[u8]) -> Option<Question> {
        let mut labels = Vec::new();
        let mut at = HEADER;
        loop {
            let length = usize::from(*packet.get(at)?);
            at += 1;
            if length == 0 {
                break;
            }
            labels.push(String::from_utf8_lossy(packet.get(at..at + length)?));
            at += length;
        }
        let kind = u16::from_be_bytes(packet.get(at..at + 2)?.try_into().ok()?);
        let end = at + 4;
        (end <= packet.len()).then(|| Question { name: normal(&labels.join(".")), kind, end })
    }
}

/// `query` is the packet that came, up to the end of its question.
fn write(query: &[u8], reply: &Reply) -> Option<Vec<u8>> {
    let (code, addresses): (u8, &[IpAddr]) = match reply {
        Reply::Addresses(addresses) => (0, addresses),
        Reply::NoSuchName => (3, &[]),
        Reply::Failure => (2, &[]),
        Reply::Silence => return None,
    };
    // The question goes back as it came: resolvers vary the case of letters to tell true answers.
    let mut packet = query.to_vec();
    packet[2] = 0x84 | (query[2] & 0x79); // an answer, authoritative; opcode and "recursion desired" as asked
    packet[3] = 0x80 | code; // recursion available
    packet[4..HEADER].fill(0);
    packet[5] = 1; // one question
    packet[6..8].copy_from_slice(&u16::try_from(addresses.len()).ok()?.to_be_bytes());
    for address in addresses {
        let (kind, octets) = match address {
            IpAddr::V4(address) => (A, address.octets().to_vec()),
            IpAddr::V6(address) => (AAAA, address.octets().to_vec()),
        };
        packet.extend(SAME_NAME);
        packet.extend(kind.to_be_bytes());
        packet.extend([0, 1]); // class: internet
        packet.extend([0; 4]); // TTL
        packet.extend([0, octets.len() as u8]);
        packet.extend(octets);
    }
    Some(packet)
}

#[cfg(test)]
mod tests {
    use super::*;
    use hickory_resolver::TokioResolver;
    use hickory_resolver::config::{ConnectionConfig, NameServerConfig, ResolverConfig};
    use hickory_resolver::net::runtime::TokioRuntimeProvider;
    use std::time::Duration;
    use tokio::time::timeout;

    fn resolver(dns: &Dns) -> TokioResolver {
        let mut connection = ConnectionConfig::udp();
        connection.port = dns.addr().port();
        let server = NameServerConfig::new(dns.addr().ip(), true, vec![connection]);
        let config = ResolverConfig::from_parts(None, vec![], vec![server]);
        TokioResolver::builder_with_config(config, TokioRuntimeProvider::default()).build().unwrap()
    }

    async fn look_up(resolver: &TokioResolver, name: &str) -> Option<Vec<IpAddr>> {
        let mut found: Vec<IpAddr> = resolver.lookup_ip(name).await.ok()?.iter().collect();
        found.sort();
        Some(found)
    }

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[tokio::test]
    async fn a_real_resolver_gets_what_was_set() {
        let dns = Dns::start().await;
        dns.set("Both.test", vec![ip("192.0.2.1"), ip("192.0.2.2")]);
        dns.set("six.test", vec![ip("2001:db8::1")]);
        dns.set("none.test", vec![]);
        let resolver = resolver(&dns);
        assert_eq!(look_up(&resolver, "both.test.").await.unwrap(), [ip("192.0.2.1"), ip("192.0.2.2")]);
        assert_eq!(look_up(&resolver, "six.test.").await.unwrap(), [ip("2001:db8::1")]);
        assert_eq!(look_up(&resolver, "none.test.").await, None);
        assert_eq!(look_up(&resolver, "unknown.test.").await, None);
        assert!(dns.queries("both.test") >= 1);
        assert!(dns.queries("unknown.test") >= 1);
        assert_eq!(dns.queries("never-asked.test"), 0);
    }

    #[tokio::test]
    async fn each_lookup_gets_its_turn_and_the_last_repeats() {
        let dns = Dns::start().await;
        dns.set_in_turn("rebind.test", vec![vec![ip("192.0.2.1")], vec![ip("127.0.0.1")]]);
        let resolver = resolver(&dns);
        assert_eq!(look_up(&resolver, "rebind.test.").await.unwrap(), [ip("192.0.2.1")]);
        assert_eq!(look_up(&resolver, "rebind.test.").await.unwrap(), [ip("127.0.0.1")]);
        assert_eq!(look_up(&resolver, "rebind.test.").await.unwrap(), [ip("127.0.0.1")]);
    }

    #[test]
    fn both_queries_of_a_lookup_get_the_same_turn() {
        let (v4, v6) = (ip("192.0.2.1"), ip("2001:db8::1"));
        let asked = |kinds: &[u16]| -> Vec<Vec<IpAddr>> {
            let turns = vec![vec![v4, v6], vec![v6], vec![v4]];
            let mut names = Names::default();
            names.entries.insert("x.test".into(), Entry::Turns { turns, a: 0, aaaa: 0 });
            let one = |&kind| match names.reply(&Question { name: "x.test".into(), kind, end: 0 }) {
                Reply::Addresses(addresses) => addresses,
                _ => panic!("no addresses"),
            };
            kinds.iter().map(one).collect()
        };
        let nothing = Vec::new;
        // Both at once, in either order.
        let three = [vec![v4], vec![v6], vec![v6], nothing(), vec![v4], nothing()];
        assert_eq!(asked(&[A, AAAA, AAAA, A, A, AAAA]), three);
        // AAAA only where A found nothing.
        assert_eq!(asked(&[A, A, AAAA, A]), [vec![v4], nothing(), vec![v6], vec![v4]]);
    }

    #[tokio::test]
    async fn a_hanging_name_is_asked_for_and_not_answered() {
        let dns = Dns::start().await;
        dns.hang("slow.test");
        let resolver = resolver(&dns);
        assert!(timeout(Duration::from_millis(300), look_up(&resolver, "slow.test.")).await.is_err());
        assert!(dns.queries("slow.test") >= 1);
    }
}
