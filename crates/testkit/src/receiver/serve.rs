//! The port and its connections.

use super::record::Shared;
use hyper::rt::{Read, Write};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use rustls::ServerConfig;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::oneshot;
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::sleep;
use tokio_rustls::TlsAcceptor;

/// Connections that the kernel keeps until they are accepted, so that a burst isn't refused.
const BACKLOG: u32 = 4096;

/// The listening task. It ends when `stop` is dropped, and connections with it.
#[derive(Debug)]
pub(super) struct Running {
    pub(super) stop: oneshot::Sender<()>,
    pub(super) task: JoinHandle<()>,
}

impl Running {
    pub(super) fn start(listener: TcpListener, tls: Option<Arc<ServerConfig>>, shared: Arc<Shared>) -> Running {
        let (stop, stopped) = oneshot::channel();
        Running { stop, task: tokio::spawn(accept_all(listener, tls, shared, stopped)) }
    }
}

pub(super) fn listen(addr: SocketAddr) -> TcpListener {
    let socket = if addr.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }.unwrap();
    // A port whose connections were just broken can be listened on again at once.
    socket.set_reuseaddr(true).unwrap();
    socket.bind(addr).unwrap_or_else(|error| panic!("can't listen on {addr}: {error}"));
    socket.listen(BACKLOG).unwrap()
}

async fn accept_all(
    listener: TcpListener,
    tls: Option<Arc<ServerConfig>>,
    shared: Arc<Shared>,
    mut stopped: oneshot::Receiver<()>,
) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            _ = &mut stopped => break,
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => {
                    connections.spawn(converse(stream, tls.clone(), shared.clone()));
                }
                // No file descriptor is free: connections have to end first.
                Err(_) => sleep(Duration::from_millis(10)).await,
            },
            Some(_) = connections.join_next() => {}
        }
    }
    drop(listener);
    connections.shutdown().await;
}

async fn converse(stream: TcpStream, tls: Option<Arc<ServerConfig>>, shared: Arc<Shared>) {
    let _ = stream.set_nodelay(true);
    match tls {
        None => serve(TokioIo::new(stream), shared).await,
        Some(config) => {
            // A client that doesn't trust this receiver is for the client to report.
            if let Ok(stream) = TlsAcceptor::from(config).accept(stream).await {
                serve(TokioIo::new(stream), shared).await;
            }
        }
    }
}

async fn serve(io: impl Read + Write + Unpin, shared: Arc<Shared>) {
    let service = service_fn(|request| shared.take(request));
    // What breaks here is a client that left, and what it sent is on record or wasn't complete.
    let _ = http1::Builder::new().serve_connection(io, service).await;
}
