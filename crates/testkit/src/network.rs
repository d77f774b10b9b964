//! A node in a network of its own, so that it can be cut off from the database alone; and listeners that never accept.

use crate::skip::skip;
use std::net::SocketAddr;
use std::process::Command;
use std::time::Duration;
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::time::timeout;

/// Two cables between this machine and a network namespace: one to the database, one for the rest.
/// Removed when dropped.
#[derive(Debug)]
pub struct Pair {
    name: String,
    /// This machine's end of the cable to the database.
    pub database_host: String,
    /// This machine's end of the other cable.
    pub host_address: String,
    /// The namespace's end of it.
    pub node_address: String,
    /// What the other cable's addresses lie in.
    pub subnet: String,
}

impl Pair {
    /// `None`, with a line that says so, where this is not allowed; in CI it must be.
    pub fn new() -> Option<Pair> {
        let n = std::process::id() % 200 + 10;
        let pair = Pair {
            name: format!("pr{}", std::process::id()),
            database_host: format!("10.71.{n}.1"),
            host_address: format!("10.72.{n}.1"),
            node_address: format!("10.72.{n}.2"),
            subnet: format!("10.72.{n}.0/24"),
        };
        let name = &pair.name;
        let steps = [
            format!("netns add {name}"),
            format!("link add {name}a type veth peer name {name}b netns {name}"),
            format!("addr add 10.71.{n}.1/24 dev {name}a"),
            format!("link set {name}a up"),
            format!("-n {name} addr add 10.71.{n}.2/24 dev {name}b"),
            format!("-n {name} link set {name}b up"),
            format!("link add {name}c type veth peer name {name}d netns {name}"),
            format!("addr add 10.72.{n}.1/24 dev {name}c"),
            format!("link set {name}c up"),
            format!("-n {name} addr add 10.72.{n}.2/24 dev {name}d"),
            format!("-n {name} link set {name}d up"),
            format!("-n {name} link set lo up"),
        ];
        if steps.iter().all(|step| ip(step)) {
            return Some(pair);
        }
        skip("network namespaces need root and iproute2");
        None
    }

    /// What starts a program inside.
    pub fn inside(&self) -> Vec<String> {
        ["ip", "netns", "exec", &self.name].map(str::to_owned).into()
    }

    /// Nothing passes to or from the database any more; nobody is told.
    pub fn cut(&self) {
        assert!(ip(&format!("-n {} link set {}b down", self.name, self.name)));
    }

    pub fn heal(&self) {
        assert!(ip(&format!("-n {} link set {}b up", self.name, self.name)));
    }
}

impl Drop for Pair {
    fn drop(&mut self) {
        let _ = ip(&format!("link del {}a", self.name));
        let _ = ip(&format!("link del {}c", self.name));
        let _ = ip(&format!("netns del {}", self.name));
    }
}

fn ip(args: &str) -> bool {
    Command::new("ip").args(args.split(' ')).status().is_ok_and(|status| status.success())
}

/// A listener whose backlog is full: connections to it are neither accepted nor refused.
#[derive(Debug)]
pub struct Full {
    _listener: TcpListener,
    _held: Vec<TcpStream>,
}

impl Full {
    pub async fn listen(at: SocketAddr) -> Full {
        let socket = TcpSocket::new_v4().unwrap();
        socket.set_reuseaddr(true).unwrap();
        socket.bind(at).unwrap();
        let listener = socket.listen(1).unwrap();
        let mut held = Vec::new();
        while let Ok(Ok(stream)) = timeout(Duration::from_millis(300), TcpStream::connect(at)).await {
            held.push(stream);
        }
        Full { _listener: listener, _held: held }
    }
}
