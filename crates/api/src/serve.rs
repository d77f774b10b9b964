//! Taking connections: limits, timeouts, and an end that no client can put off.

use crate::connections::{Connections, Place};
use crate::wire::Wire;
use axum::Router;
use axum::body::Body;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Result};
use hyper_util::rt::{TokioIo, TokioTimer};
use std::convert::Infallible;
use std::future::Future;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tower::{Layer, ServiceExt};
use tower_http::normalize_path::{NormalizePath, NormalizePathLayer};

/// A client has so long to send a request's head.
const HEAD_TIMEOUT: Duration = Duration::from_secs(30);
/// The same on a connection of the reserve.
const RESERVE_HEAD_TIMEOUT: Duration = Duration::from_secs(5);
const HEAD_LIMIT: usize = 64 << 10;
/// Unsent bytes that the kernel holds for a connection, so that it is seen whether a client reads.
const UNSENT_BYTES: u32 = 128 << 10;
/// What is answered on a connection of the reserve.
const HEALTH: &str = "/api/v1/health";

/// What the operator decides about connections.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Connections at once.
    pub max_connections: usize,
    /// How long requests in progress may take when the server ends.
    pub drain: Duration,
}

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

/// Answers requests until `stop` ends; then takes no new connections and finishes what it has, but no longer than the
/// limit for that. When this returns, no connection is left.
pub async fn serve(listener: Listener, router: Router, limits: Limits, stop: impl Future<Output = ()>) {
    let connections = Connections::new(limits.max_connections);
    let mut tasks = JoinSet::new();
    let mut stop = std::pin::pin!(stop);
    loop {
        let accepted = tokio::select! {
            () = &mut stop => break,
            accepted = listener.0.accept() => accepted,
            Some(_) = tasks.join_next() => continue,
        };
        match accepted {
            Ok((stream, peer)) => match connections.place(peer.ip()) {
                Some(place) => drop(tasks.spawn(answer(stream, router.clone(), place))),
                // All are busy, the reserve too. The client can connect again.
                None => tracing::debug!(%peer, "no place for a connection"),
            },
            Err(error) => {
                // Out of file descriptors, most likely: others must end before it gets better.
                tracing::warn!(%error, "could not take a connection");
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        }
    }
    drop(listener);
    connections.close_all();
    let drained = tokio::time::timeout(limits.drain, async { while tasks.join_next().await.is_some() {} }).await;
    if drained.is_err() {
        tracing::warn!(connections = tasks.len(), "closing connections whose requests did not finish in time");
        tasks.shutdown().await;
    }
}

/// Serves one connection until it ends or has to.
async fn answer(stream: TcpStream, router: Router, place: Place) {
    // Small answers: waiting to fill a packet only adds delay.
    let _ = stream.set_nodelay(true);
    let _ = socket2::SockRef::from(&stream).set_tcp_notsent_lowat(UNSENT_BYTES);
    let activity = place.activity.clone();
    let router = NormalizePathLayer::trim_trailing_slash().layer(router);
    let is_reserve = place.is_reserve;
    let service = service_fn(|request: Request<Incoming>| {
        activity.request_began();
        let ended = Ended(activity.clone());
        let router = router.clone();
        async move {
            let response = respond(router, request, is_reserve).await;
            drop(ended);
            response
        }
    });
    let wire = TokioIo::new(Wire::new(stream, place.activity.clone()));
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .keep_alive(!is_reserve)
        .header_read_timeout(if is_reserve { RESERVE_HEAD_TIMEOUT } else { HEAD_TIMEOUT })
        .max_buf_size(HEAD_LIMIT)
        .serve_connection(wire, service);
    let mut connection = std::pin::pin!(connection);
    let ended: Result<()> = tokio::select! {
        ended = connection.as_mut() => ended,
        () = place.activity.closing.notified() => match place.activity.idle_since_ms() {
            Some(_) => Ok(()),
            None => {
                connection.as_mut().graceful_shutdown();
                connection.await
            }
        }
    };
    if let Err(error) = ended {
        tracing::debug!(%error, "a connection ended badly");
    }
}

async fn respond(
    router: NormalizePath<Router>,
    request: Request<Incoming>,
    is_reserve: bool,
) -> std::result::Result<Response, Infallible> {
    if is_reserve && request.uri().path() != HEALTH {
        return Ok(crowded());
    }
    router.oneshot(request.map(Body::new)).await
}

/// All other connections are in use.
fn crowded() -> Response {
    let detail = "too many connections are open; use fewer, or try again in a moment";
    let error = crate::error::ApiError::plain(StatusCode::SERVICE_UNAVAILABLE, "busy", detail);
    let mut response = error.into_response();
    response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
    response
}

/// Notes the end of a request, whether it was answered or given up.
struct Ended(Arc<crate::wire::Activity>);

impl Drop for Ended {
    fn drop(&mut self) {
        self.0.request_ended();
    }
}
