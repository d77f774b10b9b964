//! One keep-alive connection, driven by the task that uses it: no second task to wake.

use crate::failure::Failure;
use bytes::Bytes;
use http::{Request, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper::body::Body;
use hyper::client::conn::http1::{Connection, SendRequest, handshake};
use hyper_util::rt::TokioIo;
use std::future::poll_fn;
use std::net::SocketAddr;
use std::pin::{Pin, pin};
use std::task::Poll;
use tokio::net::TcpStream;

type Payload = Full<Bytes>;

/// An answer, read whole.
#[derive(Debug)]
pub struct Reply {
    pub status: StatusCode,
    pub body: Bytes,
}

/// Connects when there is something to send, and again after a failure.
#[derive(Debug)]
pub struct Client {
    address: SocketAddr,
    wire: Option<Wire>,
}

#[derive(Debug)]
struct Wire {
    sender: SendRequest<Payload>,
    connection: Connection<TokioIo<TcpStream>, Payload>,
}

impl Client {
    /// Connects at the first [`Client::send`].
    pub fn new(address: SocketAddr) -> Client {
        Client { address, wire: None }
    }

    /// Sends one request. After an error nobody knows whether it arrived.
    pub async fn send(&mut self, request: Request<Payload>) -> Result<Reply, Failure> {
        let mut wire = match self.wire.take() {
            Some(wire) if !wire.sender.is_closed() => wire,
            _ => Wire::connect(self.address).await.map_err(|error| self.failure(error))?,
        };
        let reply = wire.exchange(request).await.map_err(|error| self.failure(error))?;
        self.wire = Some(wire);
        Ok(reply)
    }

    fn failure(&self, error: impl std::fmt::Display) -> Failure {
        Failure::Connection { address: self.address.to_string(), reason: error.to_string() }
    }
}

impl Wire {
    async fn connect(address: SocketAddr) -> Result<Wire, Box<dyn std::error::Error + Send + Sync>> {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        let (sender, connection) = handshake(TokioIo::new(stream)).await?;
        Ok(Wire { sender, connection })
    }

    async fn exchange(&mut self, request: Request<Payload>) -> Result<Reply, String> {
        let Wire { sender, connection } = self;
        let mut reply = pin!(async {
            sender.ready().await?;
            let response = sender.send_request(request).await?;
            let status = response.status();
            let body = response.into_body();
            let body = if body.is_end_stream() { Bytes::new() } else { body.collect().await?.to_bytes() };
            Ok(Reply { status, body })
        });
        poll_fn(|context| {
            if let Poll::Ready(done) = reply.as_mut().poll(context) {
                return Poll::Ready(done.map_err(|error: hyper::Error| error.to_string()));
            }
            let closed = Pin::new(&mut *connection).poll(context).is_ready();
            match reply.as_mut().poll(context) {
                Poll::Ready(done) => Poll::Ready(done.map_err(|error| error.to_string())),
                Poll::Pending if closed => Poll::Ready(Err("closed without an answer".to_owned())),
                Poll::Pending => Poll::Pending,
            }
        })
        .await
    }
}
