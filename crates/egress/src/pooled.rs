//! Connections as hyper's pool wants them, each for a limited time.

use crate::connect::{Parts, Target};
use crate::error::SendError;
use crate::proxies::Proxies;
use crate::stream::Stream;
use http::Uri;
use hyper_util::client::legacy::connect::{CaptureConnection, Connected, Connection};
use hyper_util::rt::TokioIo;
use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::Instant;

/// What hyper reads and writes.
pub type Io = TokioIo<Pooled>;

/// Opens checked connections for hyper's pool, which clones it for each request.
#[derive(Clone)]
pub struct Connector {
    parts: Arc<Parts>,
    proxies: Arc<Proxies>,
    /// How long a connection may be used for new requests.
    life: Duration,
    opened: Arc<AtomicU32>,
}

impl Connector {
    pub fn new(parts: Arc<Parts>, proxies: Proxies, life: Duration) -> Connector {
        Connector { parts, proxies: Arc::new(proxies), life, opened: Arc::default() }
    }

    /// Up to an eighth shorter, in turn: connections that were opened together are not renewed together.
    fn next_life(&self) -> Duration {
        let turn = self.opened.fetch_add(1, Ordering::Relaxed) % 16;
        self.life - self.life / 128 * turn
    }
}

impl tower_service::Service<Uri> for Connector {
    type Response = Io;
    type Error = SendError;
    type Future = Pin<Box<dyn Future<Output = Result<Io, SendError>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), SendError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, uri: Uri) -> Self::Future {
        let connector = self.clone();
        Box::pin(async move {
            let stream = connector.parts.connect(&target(&uri), &connector.proxies).await?;
            let expiry = Expiry(Instant::now() + connector.next_life());
            Ok(TokioIo::new(Pooled { stream, expiry }))
        })
    }
}

fn target(uri: &Uri) -> Target {
    let secure = uri.scheme() == Some(&http::uri::Scheme::HTTPS);
    let host = uri.host().unwrap_or_default().trim_start_matches('[').trim_end_matches(']').to_owned();
    Target { secure, host, port: uri.port_u16().unwrap_or(if secure { 443 } else { 80 }) }
}

/// When a connection has served its time.
#[derive(Clone, Copy, Debug)]
struct Expiry(Instant);

/// Takes the connection of a response out of the pool if its time is over, so that changes of a name are followed
/// under steady traffic.
pub fn retire<B>(response: &http::Response<B>, connection: &CaptureConnection) {
    let is_over = response.extensions().get::<Expiry>().is_some_and(|expiry| expiry.0 <= Instant::now());
    if is_over && let Some(connected) = connection.connection_metadata().as_ref() {
        connected.poison();
    }
}

/// A connection that knows when its time is over.
pub struct Pooled {
    stream: Stream,
    expiry: Expiry,
}

impl Connection for Pooled {
    fn connected(&self) -> Connected {
        Connected::new().extra(self.expiry)
    }
}

impl AsyncRead for Pooled {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buf)
    }
}

impl AsyncWrite for Pooled {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }
}
