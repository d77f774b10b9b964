//! Connections as hyper's pool wants them.

use crate::connect::{Parts, Target};
use crate::error::SendError;
use crate::stream::Stream;
use http::Uri;
use hyper_util::client::legacy::connect::{Connected, Connection};
use hyper_util::rt::TokioIo;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

/// What hyper reads and writes.
pub type Io = TokioIo<Stream>;

/// Opens checked connections for hyper's pool, which clones it for each request.
#[derive(Clone)]
pub struct Connector(pub Arc<Parts>);

impl tower_service::Service<Uri> for Connector {
    type Response = Io;
    type Error = SendError;
    type Future = Pin<Box<dyn Future<Output = Result<Io, SendError>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), SendError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, uri: Uri) -> Self::Future {
        let parts = self.0.clone();
        Box::pin(async move { parts.connect(&target(&uri)).await.map(TokioIo::new) })
    }
}

fn target(uri: &Uri) -> Target {
    let secure = uri.scheme() == Some(&http::uri::Scheme::HTTPS);
    let host = uri.host().unwrap_or_default().trim_start_matches('[').trim_end_matches(']').to_owned();
    Target { secure, host, port: uri.port_u16().unwrap_or(if secure { 443 } else { 80 }) }
}

impl Connection for Stream {
    fn connected(&self) -> Connected {
        Connected::new()
    }
}
