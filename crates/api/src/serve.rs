//! Taking connections: limits, timeouts, and a graceful end.

use axum::Router;
use axum::body::Body;
use axum::extract::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use std::future::Future;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tower::{Layer, ServiceExt};
use tower_http::normalize_path::NormalizePathLayer;

const CONNECTIONS: usize = 8_192;
/// A client has so long to send a request's head.
const HEAD_TIMEOUT: Duration = Duration::from_secs(30);
const HEAD_LIMIT: usize = 64 << 10;
/// How long requests in flight may take at the end.
const DRAIN: Duration = Duration::from_secs(20);

/// A bound port.
#[derive(Debug)]
pub struct Listener(TcpListener);

impl Listener {
    pub async fn bind(address: SocketAddr) -> std::io::Result<Listener> {
        TcpListener::bind(address).await.map(Listener)
    }

    pub fn address(&self) -> std::io::Result<SocketAddr> {
        self.0.local_addr()
    }
}

/// Answers requests until `stop` ends; then takes no new connections and finishes what it has.
pub async fn serve(listener: Listener, router: Router, stop: impl Future<Output = ()>) {
    let open = Arc::new(Semaphore::new(CONNECTIONS));
    let graceful = GracefulShutdown::new();
    let mut stop = std::pin::pin!(stop);
    loop {
        // Without a place no connection is taken; the kernel's queue holds those that wait.
        let place = open.clone().acquire_owned();
        let (place, accepted) = tokio::select! {
            () = &mut stop => break,
            both = async { (place.await, listener.0.accept().await) } => both,
        };
        match accepted {
            Ok((stream, _)) => {
                let connection = graceful.watch(connection(stream, router.clone()));
                tokio::spawn(async move {
                    if let Err(error) = connection.await {
                        tracing::debug!(%error, "a connection ended badly");
                    }
                    drop(place);
                });
            }
            Err(error) => {
                // Out of file descriptors, most likely: others must end before it gets better.
                tracing::warn!(%error, "could not take a connection");
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        }
    }
    drop(listener);
    if tokio::time::timeout(DRAIN, graceful.shutdown()).await.is_err() {
        tracing::warn!("some requests did not finish in time");
    }
}

type Service = hyper_util::service::TowerToHyperService<
    tower::util::MapRequest<tower_http::normalize_path::NormalizePath<Router>, fn(Request<Incoming>) -> Request<Body>>,
>;

fn connection(stream: TcpStream, router: Router) -> http1::Connection<TokioIo<TcpStream>, Service> {
    // Small answers: waiting to fill a packet only adds delay.
    let _ = stream.set_nodelay(true);
    let service = NormalizePathLayer::trim_trailing_slash().layer(router);
    let to_body: fn(Request<Incoming>) -> Request<Body> = |request| request.map(Body::new);
    let service = hyper_util::service::TowerToHyperService::new(service.map_request(to_body));
    http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_TIMEOUT)
        .max_buf_size(HEAD_LIMIT)
        .serve_connection(TokioIo::new(stream), service)
}
