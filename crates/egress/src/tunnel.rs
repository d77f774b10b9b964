//! A way through a proxy to one address.

use crate::proxy::{Credentials, ProxyKind, ProxyUrl};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use std::io;
use std::net::SocketAddr;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_socks::tcp::Socks5Stream;

/// What the head of a proxy's answer may take.
const HEAD_LIMIT: usize = 16 << 10;
const HEADERS: usize = 64;

/// Why there is no way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TunnelError {
    /// The proxy does not work, or not for us.
    Proxy(String),
    /// The proxy works, and does not allow a connection to this address.
    Refused(String),
    /// The proxy works, and can't reach the address.
    Target(String),
}

/// Asks the proxy at the other end of `stream` for a connection to `to`.
pub async fn open(proxy: &ProxyUrl, stream: TcpStream, to: SocketAddr) -> Result<TcpStream, TunnelError> {
    match proxy.kind {
        ProxyKind::HttpConnect => http_connect(proxy.credentials.as_ref(), stream, to).await,
        ProxyKind::Socks5 => socks5(proxy.credentials.as_ref(), stream, to).await,
    }
}

async fn http_connect(
    credentials: Option<&Credentials>,
    mut stream: TcpStream,
    to: SocketAddr,
) -> Result<TcpStream, TunnelError> {
    let mut request = format!("CONNECT {to} HTTP/1.1\r\nHost: {to}\r\n");
    if let Some(Credentials { user, password }) = credentials {
        let pair = STANDARD.encode(format!("{user}:{password}"));
        request.push_str(&format!("Proxy-Authorization: Basic {pair}\r\n"));
    }
    request.push_str("\r\n");
    stream.write_all(request.as_bytes()).await.map_err(|error| broken(&error))?;
    let mut head = Vec::with_capacity(1 << 10);
    loop {
        if stream.read_buf(&mut head).await.map_err(|error| broken(&error))? == 0 {
            return Err(TunnelError::Proxy("closed the connection without an answer".to_owned()));
        }
        if let Some((status, length)) = parse(&head)? {
            return judge(status, credentials.is_some()).and_then(|()| match head.len() == length {
                true => Ok(stream),
                // Neither TLS nor HTTP servers speak first.
                false => Err(TunnelError::Proxy("sent more than its answer".to_owned())),
            });
        }
        if head.len() > HEAD_LIMIT {
            return Err(TunnelError::Proxy("answered with too many headers".to_owned()));
        }
    }
}

/// Status and length of the head; `None`: it is not complete yet.
fn parse(head: &[u8]) -> Result<Option<(u16, usize)>, TunnelError> {
    let mut headers = [httparse::EMPTY_HEADER; HEADERS];
    let mut response = httparse::Response::new(&mut headers);
    let not_http = |_| TunnelError::Proxy("did not answer with HTTP".to_owned());
    Ok(match response.parse(head).map_err(not_http)? {
        httparse::Status::Complete(length) => response.code.map(|code| (code, length)),
        httparse::Status::Partial => None,
    })
}

fn judge(status: u16, with_credentials: bool) -> Result<(), TunnelError> {
    match status {
        200..=299 => Ok(()),
        // tinyproxy says 401.
        401 | 407 if with_credentials => {
            Err(TunnelError::Proxy(format!("refused the user and password (status {status})")))
        }
        401 | 407 => Err(TunnelError::Proxy(format!("requires a user and password (status {status})"))),
        // So do Squid, Envoy and others say that they can't reach the target; tinyproxy says 500.
        500 | 502..=504 => Err(TunnelError::Target(format!("the proxy could not reach it (status {status})"))),
        status => Err(TunnelError::Refused(format!("refused the connection (status {status})"))),
    }
}

async fn socks5(
    credentials: Option<&Credentials>,
    stream: TcpStream,
    to: SocketAddr,
) -> Result<TcpStream, TunnelError> {
    let connected = match credentials {
        Some(Credentials { user, password }) => {
            Socks5Stream::connect_with_password_and_socket(stream, to, user, password).await
        }
        None => Socks5Stream::connect_with_socket(stream, to).await,
    };
    connected.map(Socks5Stream::into_inner).map_err(|error| socks_error(&error))
}

fn socks_error(error: &tokio_socks::Error) -> TunnelError {
    use tokio_socks::Error;
    let proxy = |reason: &str| TunnelError::Proxy(reason.to_owned());
    let target = |reason: &str| TunnelError::Target(format!("the proxy could not reach it ({reason})"));
    match error {
        Error::NetworkUnreachable => target("network unreachable"),
        Error::HostUnreachable => target("host unreachable"),
        Error::ConnectionRefused => target("connection refused"),
        Error::TtlExpired => target("no answer"),
        Error::Io(error) => broken(error),
        Error::ConnectionNotAllowedByRuleset => {
            TunnelError::Refused("refused the connection (its rules do not allow it)".to_owned())
        }
        Error::NoAcceptableAuthMethods | Error::UnknownAuthMethod => proxy("requires a user and password"),
        Error::PasswordAuthFailure(_) => proxy("refused the user and password"),
        Error::GeneralSocksServerFailure => proxy("failed (general SOCKS server failure)"),
        Error::InvalidResponseVersion => proxy("did not answer with SOCKS 5"),
        error => TunnelError::Proxy(format!("failed ({error})")),
    }
}

fn broken(error: &io::Error) -> TunnelError {
    match error.kind() {
        io::ErrorKind::UnexpectedEof => TunnelError::Proxy("closed the connection without an answer".to_owned()),
        _ => TunnelError::Proxy(format!("broke the connection ({error})")),
    }
}
