//! The receiver: counts what arrives and answers 204.

use crate::board::Board;
use crate::clock::now_ns;
use crate::failure::Failure;
use crate::recipe::sequence;
use arc_swap::ArcSwap;
use bytes::{Bytes, BytesMut};
use http::{Request, Response, StatusCode};
use http_body_util::{BodyExt, Empty};
use hyper::body::{Body, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use std::convert::Infallible;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};

/// What is counted now: requests to `/{name}/{target}`.
#[derive(Debug)]
struct Counting {
    prefix: String,
    board: Arc<Board>,
}

/// Listens until the process ends.
#[derive(Debug)]
pub struct Sink {
    address: SocketAddr,
    counting: Arc<ArcSwap<Counting>>,
}

impl Sink {
    /// Binds, and answers from now on.
    pub async fn start(listen: SocketAddr) -> Result<Sink, Failure> {
        let listener = TcpListener::bind(listen).await?;
        let mut address = listener.local_addr()?;
        if address.ip().is_unspecified() {
            address.set_ip(Ipv4Addr::LOCALHOST.into());
        }
        let nothing = Counting { prefix: "/nothing/".to_owned(), board: Arc::new(Board::new(0, 0, false)) };
        let counting = Arc::new(ArcSwap::from_pointee(nothing));
        tokio::spawn(accept(listener, counting.clone()));
        Ok(Sink { address, counting })
    }

    /// Where it is reached.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Counts on `board` from now on; what still comes for another name is a stray.
    pub fn count(&self, name: &str, board: Arc<Board>) {
        self.counting.store(Arc::new(Counting { prefix: format!("/{name}/"), board }));
    }

    /// The path of one target.
    pub fn path(name: &str, target: usize) -> String {
        format!("/{name}/{target}")
    }
}

async fn accept(listener: TcpListener, counting: Arc<ArcSwap<Counting>>) {
    loop {
        match listener.accept().await {
            Ok((stream, _)) => {
                tokio::spawn(connection(stream, counting.clone()));
            }
            // Out of file descriptors: some will come back.
            Err(_) => tokio::time::sleep(Duration::from_millis(10)).await,
        }
    }
}

async fn connection(stream: TcpStream, counting: Arc<ArcSwap<Counting>>) {
    let _ = stream.set_nodelay(true);
    let service = service_fn(|request| receive(request, &counting));
    // A sender that breaks off is counted by what is missing.
    let _ = http1::Builder::new().auto_date_header(false).serve_connection(TokioIo::new(stream), service).await;
}

async fn receive(
    request: Request<Incoming>,
    counting: &ArcSwap<Counting>,
) -> Result<Response<Empty<Bytes>>, Infallible> {
    let (head, body) = request.into_parts();
    let read = read(body).await;
    let at = now_ns();
    let counting = counting.load();
    let target = head.uri.path().strip_prefix(counting.prefix.as_str()).and_then(|rest| rest.parse().ok());
    match (target, read.ok().and_then(|bytes| sequence(&bytes))) {
        (Some(target), Some(seq)) => counting.board.arrived(target, seq, at),
        _ => counting.board.stray(),
    }
    let mut response = Response::new(Empty::new());
    *response.status_mut() = StatusCode::NO_CONTENT;
    Ok(response)
}

/// The whole body; without a copy when it came in one piece.
async fn read(mut body: Incoming) -> Result<Bytes, hyper::Error> {
    let mut whole = Bytes::new();
    while !body.is_end_stream() {
        let Some(frame) = body.frame().await else { break };
        let Ok(data) = frame?.into_data() else { continue };
        if whole.is_empty() {
            whole = data;
        } else {
            let mut joined = BytesMut::from(whole);
            joined.extend_from_slice(&data);
            whole = joined.freeze();
        }
    }
    Ok(whole)
}
