//! One connection out of many addresses (RFC 8305): families in turn, the next attempt begins after a moment or as soon
//! as one fails, the first that connects wins and the others are dropped.

use crate::laggards::Laggards;
use std::collections::VecDeque;
use std::io::{self, ErrorKind};
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until, timeout};

/// The next attempt begins after this time.
const STAGGER: Duration = Duration::from_millis(250);
/// How long one address may take.
const ONE_ADDRESS: Duration = Duration::from_secs(5);
/// Addresses of one name that a packet is sent to.
const TRIES: usize = 16;
/// Addresses of one name that are considered; most names have fewer than ten.
const CONSIDERED: usize = 64;

/// One port of many addresses.
pub struct Race<'a> {
    port: u16,
    laggards: &'a Laggards,
    waiting: VecDeque<IpAddr>,
    considered: usize,
    /// Those that were started, in this order.
    started: Vec<IpAddr>,
    tries: usize,
    running: JoinSet<(IpAddr, io::Result<TcpStream>)>,
    next_start: Option<Instant>,
    failure: Option<Failure>,
}

/// Why an address was not connected to.
struct Failure {
    words: String,
    /// Nothing was sent: this machine has no way there.
    no_route: bool,
}

impl<'a> Race<'a> {
    pub fn new(port: u16, laggards: &'a Laggards) -> Race<'a> {
        Race {
            port,
            laggards,
            waiting: VecDeque::new(),
            considered: 0,
            started: vec![],
            tries: 0,
            running: JoinSet::new(),
            next_start: None,
            failure: None,
        }
    }

    /// More addresses to try.
    pub fn add(&mut self, addresses: Vec<IpAddr>) {
        let room = CONSIDERED.saturating_sub(self.considered);
        let mut all: Vec<IpAddr> = self.waiting.drain(..).collect();
        for address in addresses.into_iter().take(room) {
            if !all.contains(&address) && !self.started.contains(&address) {
                all.push(address);
                self.considered += 1;
            }
        }
        let now = Instant::now();
        let v6_first = self.started.last().is_none_or(IpAddr::is_ipv4);
        self.waiting = in_order(all, v6_first, |ip| self.laggards.contains(self.at(ip), now));
    }

    /// Whether nothing is left to try.
    pub fn is_over(&self) -> bool {
        self.running.is_empty() && (self.waiting.is_empty() || self.tries >= TRIES)
    }

    /// Goes on until an address connects; `None`: all that were added failed. A call that was dropped before it
    /// returned loses nothing.
    pub async fn run(&mut self) -> Option<TcpStream> {
        loop {
            if self.is_over() {
                return None;
            }
            let can_start = !self.waiting.is_empty() && self.tries < TRIES;
            let at = self.next_start.filter(|_| !self.running.is_empty()).unwrap_or_else(Instant::now);
            tokio::select! {
                biased;
                Some(Ok((ip, result))) = self.running.join_next() => match result {
                    Ok(stream) => {
                        self.won(ip);
                        return Some(stream);
                    }
                    Err(error) => self.failed(ip, &error),
                },
                () = sleep_until(at), if can_start => self.start(),
            }
        }
    }

    /// Why nothing was connected to.
    pub fn failure(self) -> String {
        self.failure.map_or_else(|| "no address was tried".to_owned(), |failure| failure.words)
    }

    fn at(&self, ip: IpAddr) -> SocketAddr {
        SocketAddr::new(ip, self.port)
    }

    fn start(&mut self) {
        let Some(ip) = self.waiting.pop_front() else { return };
        let at = self.at(ip);
        self.started.push(ip);
        self.tries += 1;
        self.next_start = Some(Instant::now() + STAGGER);
        self.running.spawn(async move {
            let connected = timeout(ONE_ADDRESS, TcpStream::connect(at)).await;
            (ip, connected.unwrap_or_else(|_| Err(ErrorKind::TimedOut.into())))
        });
    }

    fn failed(&mut self, ip: IpAddr, error: &io::Error) {
        let no_route = matches!(
            error.kind(),
            ErrorKind::NetworkUnreachable | ErrorKind::HostUnreachable | ErrorKind::AddrNotAvailable
        );
        if no_route {
            self.tries -= 1;
        }
        // What an address says is worth more than that there is no way to another.
        if self.failure.as_ref().is_none_or(|failure| failure.no_route || !no_route) {
            self.failure = Some(Failure { words: words(self.at(ip), error), no_route });
        }
        self.next_start = None;
    }

    /// Whatever began earlier was slower.
    fn won(&self, winner: IpAddr) {
        let now = Instant::now();
        for ip in self.started.iter().take_while(|ip| **ip != winner) {
            self.laggards.insert(self.at(*ip), now);
        }
        self.laggards.remove(self.at(winner));
    }
}

/// Laggards last; among the others the families in turn.
fn in_order(addresses: Vec<IpAddr>, v6_first: bool, is_laggard: impl Fn(IpAddr) -> bool) -> VecDeque<IpAddr> {
    let (last, first): (Vec<IpAddr>, Vec<IpAddr>) = addresses.into_iter().partition(|ip| is_laggard(*ip));
    in_turn(first, v6_first).chain(in_turn(last, v6_first)).collect()
}

fn in_turn(addresses: Vec<IpAddr>, v6_first: bool) -> impl Iterator<Item = IpAddr> {
    let (one, other): (Vec<IpAddr>, Vec<IpAddr>) = addresses.into_iter().partition(|ip| ip.is_ipv6() == v6_first);
    let (mut one, mut other) = (one.into_iter(), other.into_iter());
    let mut turn = true;
    std::iter::from_fn(move || {
        turn = !turn;
        if turn { other.next().or_else(|| one.next()) } else { one.next().or_else(|| other.next()) }
    })
}

fn words(at: SocketAddr, error: &io::Error) -> String {
    let (ip, port) = (at.ip(), at.port());
    let what = match error.kind() {
        ErrorKind::ConnectionRefused => "connection refused".to_owned(),
        ErrorKind::ConnectionReset => "connection reset".to_owned(),
        ErrorKind::TimedOut => "no answer".to_owned(),
        ErrorKind::NetworkUnreachable | ErrorKind::HostUnreachable => "no route to this address".to_owned(),
        ErrorKind::AddrNotAvailable => "this machine has no address or port left to connect from".to_owned(),
        _ => error.to_string(),
    };
    format!("{ip} port {port}: {what}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::net::{TcpListener, TcpSocket};

    fn ips(texts: &[&str]) -> Vec<IpAddr> {
        texts.iter().map(|text| text.parse().unwrap()).collect()
    }

    #[test]
    fn families_take_turns_and_laggards_come_last() {
        let all = ips(&["2001:db8::1", "2001:db8::2", "2001:db8::3", "192.0.2.1", "192.0.2.2"]);
        let order = |v6_first, laggards: &[&str]| {
            let laggards = ips(laggards);
            Vec::from(in_order(all.clone(), v6_first, |ip| laggards.contains(&ip)))
        };
        let expected = ["2001:db8::1", "192.0.2.1", "2001:db8::2", "192.0.2.2", "2001:db8::3"];
        assert_eq!(order(true, &[]), ips(&expected));
        let expected = ["192.0.2.1", "2001:db8::1", "192.0.2.2", "2001:db8::2", "2001:db8::3"];
        assert_eq!(order(false, &[]), ips(&expected));
        let expected = ["2001:db8::2", "192.0.2.2", "2001:db8::3", "2001:db8::1", "192.0.2.1"];
        assert_eq!(order(true, &["2001:db8::1", "192.0.2.1"]), ips(&expected));
    }

    /// A listener that takes no more connections, and those that fill it.
    async fn full(at: SocketAddr) -> (TcpListener, Vec<TcpStream>) {
        let socket = TcpSocket::new_v4().unwrap();
        socket.set_reuseaddr(true).unwrap();
        socket.bind(at).unwrap();
        let listener = socket.listen(1).unwrap();
        let mut held = Vec::new();
        while let Ok(Ok(stream)) = timeout(Duration::from_millis(200), TcpStream::connect(at)).await {
            held.push(stream);
        }
        (listener, held)
    }

    async fn race(port: u16, laggards: &Laggards, addresses: &[&str]) -> (Result<IpAddr, String>, Duration) {
        let began = Instant::now();
        let mut race = Race::new(port, laggards);
        race.add(ips(addresses));
        let winner = race.run().await.map(|stream| stream.peer_addr().unwrap().ip());
        (winner.ok_or_else(|| race.failure()), began.elapsed())
    }

    #[tokio::test]
    async fn addresses_that_hang_cost_a_moment_each_and_nothing_the_next_time() {
        let good = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = good.local_addr().unwrap().port();
        let _full = (
            full(SocketAddr::from(([127, 0, 0, 2], port))).await,
            full(SocketAddr::from(([127, 0, 0, 3], port))).await,
        );
        let laggards = Laggards::default();
        let addresses = ["127.0.0.2", "127.0.0.3", "127.0.0.1"];
        let (winner, taken) = race(port, &laggards, &addresses).await;
        assert_eq!(winner, Ok("127.0.0.1".parse().unwrap()));
        assert!(taken >= STAGGER * 2 && taken < STAGGER * 4, "{taken:?}");
        let (winner, taken) = race(port, &laggards, &addresses).await;
        assert_eq!(winner, Ok("127.0.0.1".parse().unwrap()));
        assert!(taken < STAGGER, "{taken:?}");
    }

    #[tokio::test]
    async fn addresses_without_a_route_or_a_listener_use_nothing_up() {
        let good = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = good.local_addr().unwrap().port();
        // 100::/64 leads nowhere (RFC 6666).
        let nowhere: Vec<String> = (1..=TRIES * 2).map(|n| format!("100::{n:x}")).collect();
        let mut addresses: Vec<&str> = nowhere.iter().map(String::as_str).collect();
        addresses.extend(["127.0.0.2", "127.0.0.1"]);
        let (winner, _) = race(port, &Laggards::default(), &addresses).await;
        assert_eq!(winner, Ok("127.0.0.1".parse().unwrap()));
        let (failure, _) = race(port, &Laggards::default(), &["100::1", "127.0.0.2"]).await;
        assert_eq!(failure, Err(format!("127.0.0.2 port {port}: connection refused")));
    }
}
