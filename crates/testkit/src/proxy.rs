//! Proxies for outgoing connections: tinyproxy (HTTP CONNECT) and microsocks (SOCKS 5) as processes, and one that answers
//! what a test says.

use crate::app::eventually;
use crate::process::free_port;
use crate::skip::skip;
use std::fs::File;
use std::net::{Ipv4Addr, SocketAddr};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

pub const USER: &str = "ann";
pub const PASSWORD: &str = "s3cret-of-the-proxy";

/// A proxy's process, which requires [`USER`] and [`PASSWORD`]. Ends when dropped.
#[derive(Debug)]
pub struct Proxy {
    /// Without user and password.
    pub place: String,
    scheme: &'static str,
    dir: TempDir,
    child: Child,
}

impl Drop for Proxy {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Proxy {
    /// tinyproxy. `None`, with a line that says so, where it is not installed; in CI it must be.
    pub async fn http() -> Option<Proxy> {
        Proxy::http_on(free_port()).await
    }

    pub async fn http_on(port: u16) -> Option<Proxy> {
        let dir = TempDir::new().unwrap();
        let config = format!(
            "Listen 127.0.0.1\nPort {port}\nBasicAuth {USER} {PASSWORD}\nLogFile \"{}\"\nLogLevel Connect\nTimeout 30\n",
            dir.path().join("log").display()
        );
        std::fs::write(dir.path().join("tinyproxy.conf"), config).unwrap();
        let mut command = Command::new("tinyproxy");
        command.arg("-d").arg("-c").arg(dir.path().join("tinyproxy.conf")).stdout(Stdio::null()).stderr(Stdio::null());
        Proxy::start("http", port, dir, &mut command).await
    }

    /// microsocks, or `None` as [`Proxy::http`] says it.
    pub async fn socks() -> Option<Proxy> {
        let (port, dir) = (free_port(), TempDir::new().unwrap());
        let mut command = Command::new("microsocks");
        command.args(["-i", "127.0.0.1", "-p", &port.to_string(), "-u", USER, "-P", PASSWORD]);
        command.stdout(Stdio::null()).stderr(File::create(dir.path().join("log")).unwrap());
        Proxy::start("socks5h", port, dir, &mut command).await
    }

    async fn start(scheme: &'static str, port: u16, dir: TempDir, command: &mut Command) -> Option<Proxy> {
        let Ok(child) = command.spawn() else {
            skip(&format!("{} is not installed", command.get_program().display()));
            return None;
        };
        let proxy = Proxy { place: format!("127.0.0.1:{port}"), scheme, dir, child };
        assert!(eventually(async || TcpStream::connect(&proxy.place).await.is_ok()).await, "{command:?}");
        Some(proxy)
    }

    /// With user and password.
    pub fn url(&self) -> String {
        format!("{}://{USER}:{PASSWORD}@{}", self.scheme, self.place)
    }

    /// What it wrote down of the connections that were asked for.
    pub fn log(&self) -> String {
        std::fs::read_to_string(self.dir.path().join("log")).unwrap_or_default()
    }
}

/// A proxy that answers the same bytes to everybody, after it has read something, and closes.
#[derive(Debug)]
pub struct Scripted {
    pub addr: SocketAddr,
    connections: Arc<AtomicUsize>,
    _running: JoinSet<()>,
}

impl Scripted {
    pub async fn start(answer: &'static str) -> Scripted {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let addr = listener.local_addr().unwrap();
        let connections = Arc::new(AtomicUsize::new(0));
        let (mut running, counted) = (JoinSet::new(), connections.clone());
        running.spawn(async move {
            loop {
                let (mut stream, _) = listener.accept().await.unwrap();
                counted.fetch_add(1, Ordering::Relaxed);
                let _ = stream.read(&mut [0; 4_096]).await;
                let _ = stream.write_all(answer.as_bytes()).await;
            }
        });
        Scripted { addr, connections, _running: running }
    }

    pub fn url(&self) -> String {
        format!("http://{}", self.addr)
    }

    pub fn connections(&self) -> usize {
        self.connections.load(Ordering::Relaxed)
    }
}
