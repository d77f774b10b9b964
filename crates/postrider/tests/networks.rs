//! Names, addresses and connections: what stands between Postrider and an endpoint costs no more than a moment.
#![allow(clippy::unwrap_used, clippy::panic, clippy::disallowed_methods)]

use postrider_testkit::app::{App, Start};
use postrider_testkit::dns::{Dns, Family, Spoiled};
use postrider_testkit::network::Full;
use postrider_testkit::receiver::{Answer, Receiver};
use serde_json::json;
use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};

fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

/// A server that asks this name server. 100::/64 leads nowhere (RFC 6666).
async fn app(dns: &Dns) -> App {
    Start { dns: Some(dns.addr()), allow: vec!["127.0.0.0/8", "100::/64"], ..Start::default() }.start().await
}

/// A receiver that ends each connection after one request.
async fn receiver() -> Receiver {
    let receiver = Receiver::start().await;
    receiver.answer("/hook", Answer::status(200).header("connection", "close"));
    receiver
}

/// How long each of so many messages takes to arrive, one after the other.
async fn arrivals(app: &App, receiver: &Receiver, host: &str, count: usize) -> Vec<Duration> {
    let acme = app.application().await;
    app.endpoint(&acme, json!({"url": receiver.url_on(host, "/hook"), "retrySchedule": []})).await;
    let (mut taken, before) = (Vec::new(), receiver.count("/hook"));
    for n in 1..=count {
        let began = Instant::now();
        app.send(&acme, "a", json!({})).await;
        receiver.wait_for("/hook", before + n).await;
        taken.push(began.elapsed());
    }
    taken
}

#[tokio::test]
async fn ipv6_addresses_without_a_route_delay_nothing() {
    let (dns, receiver) = (Dns::start().await, receiver().await);
    let mut addresses: Vec<IpAddr> = (1..=4).map(|n| ip(&format!("100::{n}"))).collect();
    addresses.push(ip("127.0.0.1"));
    dns.set("six.test", addresses);
    let taken = arrivals(&app(&dns).await, &receiver, "six.test", 2).await;
    assert!(taken.iter().all(|taken| *taken < Duration::from_millis(700)), "{taken:?}");
}

#[tokio::test]
async fn addresses_that_do_not_answer_cost_a_moment_once() {
    let (dns, receiver) = (Dns::start().await, receiver().await);
    let full = |last: u8| Full::listen(SocketAddr::from(([127, 0, 0, last], receiver.port())));
    let _full = (full(2).await, full(3).await, full(4).await);
    dns.set("slow.test", ["127.0.0.2", "127.0.0.3", "127.0.0.4", "127.0.0.1"].map(ip).into());
    let taken = arrivals(&app(&dns).await, &receiver, "slow.test", 3).await;
    assert!(taken[0] < Duration::from_millis(1_500), "three times 250 ms: {taken:?}");
    assert!(taken[1..].iter().all(|taken| *taken < Duration::from_millis(250)), "{taken:?}");
}

#[tokio::test]
async fn an_answer_that_is_lost_late_or_broken_spoils_only_its_own_family() {
    let (dns, receiver) = (Dns::start().await, receiver().await);
    let app = app(&dns).await;
    for (n, spoiled) in [Spoiled::Dropped, Spoiled::Late(Duration::from_secs(8)), Spoiled::Garbage, Spoiled::Failure]
        .into_iter()
        .enumerate()
    {
        let name = format!("half-{n}.test");
        dns.set(&name, vec![ip("127.0.0.1")]);
        dns.spoil(&name, Family::V6, spoiled);
        let taken = arrivals(&app, &receiver, &name, 2).await;
        assert!(taken.iter().all(|taken| *taken < Duration::from_millis(900)), "{spoiled:?}: {taken:?}");
    }
}

#[tokio::test]
async fn steady_traffic_follows_a_name_that_moves_while_the_old_server_stays_up() {
    let (dns, old) = (Dns::start().await, Receiver::start().await);
    let new = Receiver::start_on(SocketAddr::from(([127, 0, 0, 2], old.port()))).await;
    dns.set("moves.test", vec![ip("127.0.0.1")]);
    let app = Start { dns: Some(dns.addr()), connection_seconds: 1, ..Start::default() }.start().await;
    let acme = app.application().await;
    app.endpoint(&acme, json!({"url": old.url_on("moves.test", "/hook")})).await;
    let mut sent = 0;
    let mut send = async || {
        app.send(&acme, "a", json!({})).await;
        sent += 1;
        tokio::time::sleep(Duration::from_millis(100)).await;
    };
    for _ in 0..5 {
        send().await;
    }
    assert_eq!((old.count("/hook") > 0, new.count("/hook")), (true, 0));
    dns.set("moves.test", vec![ip("127.0.0.2")]);
    let began = Instant::now();
    while new.count("/hook") == 0 {
        assert!(began.elapsed() < Duration::from_secs(10), "all still to the old one");
        send().await;
    }
    // A connection's second, and that of the answer that was used for it.
    assert!(began.elapsed() < Duration::from_secs(4), "{:?}", began.elapsed());
    let before = old.count("/hook");
    for _ in 0..10 {
        send().await;
    }
    assert_eq!(old.count("/hook"), before);
}
