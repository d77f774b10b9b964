//! Receivers that misbehave: slow, endless, broken, lying. One behaviour each, for any number of
//! connections at once.

use crate::certs;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio::time::sleep;
use tokio_rustls::TlsAcceptor;

const GIBIBYTE: u64 = 1 << 30;
const A_SECOND: Duration = Duration::from_secs(1);
static ZEROS: [u8; 64 << 10] = [0; 64 << 10];

/// What goes wrong. Unless it says otherwise, the request is read first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Behaviour {
    /// Reads whatever comes, and says nothing.
    AcceptsAndNeverAnswers,
    /// A proper head that promises 100000 bytes, then one of them each second.
    OneByteASecond,
    /// A proper status line and a header that never ends, one byte each second.
    OneByteASecondHead,
    /// 200 with a gibibyte of zeros, as fast as the peer takes them.
    Gibibyte,
    /// 200 in chunks, without a last one, as fast as the peer takes them.
    EndlessChunks,
    /// Resets the connection instead of an answer.
    Resets,
    /// Closes the connection without reading.
    ClosesAtOnce,
    /// Promises 100 bytes, sends 10 and closes.
    LiesAboutLength,
    /// The banner of an SSH server, and noise.
    NotHttp,
    /// 200 with a mebibyte of headers.
    HugeHeaders,
    /// 302 to this URL.
    RedirectTo(String),
    /// These bytes for a response, whatever they are, and then closes.
    Says(&'static str),
    /// https with a certificate that is self-signed, and for another name. Who accepts it gets a 200.
    WrongCertificate,
}

/// A receiver with a [`Behaviour`]; it ends when this is dropped, and its connections with it.
#[derive(Debug)]
pub struct Hostile {
    addr: SocketAddr,
    tls: bool,
    counts: Arc<Counts>,
    running: JoinSet<()>,
}

#[derive(Debug, Default)]
struct Counts {
    connections: AtomicUsize,
    bytes_written: AtomicU64,
    held: Mutex<Vec<Duration>>,
}

impl Hostile {
    /// On a free port of 127.0.0.1.
    pub async fn start(behaviour: Behaviour) -> Hostile {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let addr = listener.local_addr().unwrap();
        let tls = behaviour == Behaviour::WrongCertificate;
        let counts = Arc::new(Counts::default());
        let mut running = JoinSet::new();
        running.spawn(accept_all(listener, Arc::new(behaviour), counts.clone()));
        Hostile { addr, tls, counts, running }
    }

    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// Ends it; afterwards something else can listen on its port.
    pub async fn stop(mut self) -> SocketAddr {
        self.running.shutdown().await;
        self.addr
    }

    /// How long each connection lasted that has ended, whoever ended it.
    pub fn held(&self) -> Vec<Duration> {
        self.counts.held.lock().unwrap().clone()
    }

    /// `http://127.0.0.1:PORT/`, or `https://localhost:PORT/` where TLS is what goes wrong.
    pub fn url(&self) -> String {
        let start = if self.tls { "https://localhost" } else { "http://127.0.0.1" };
        format!("{start}:{}/", self.addr.port())
    }

    /// How many connections were accepted so far.
    pub fn connections(&self) -> usize {
        self.counts.connections.load(Ordering::Relaxed)
    }

    /// How many bytes, heads included, the kernel took for all peers so far: at most the buffers of a
    /// connection more than the peer has read.
    pub fn bytes_written(&self) -> u64 {
        self.counts.bytes_written.load(Ordering::Relaxed)
    }
}

async fn accept_all(listener: TcpListener, behaviour: Arc<Behaviour>, counts: Arc<Counts>) {
    let acceptor = TlsAcceptor::from(certs::self_signed("elsewhere.test").server_config());
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => {
                    counts.connections.fetch_add(1, Ordering::Relaxed);
                    let (behaviour, counts, acceptor) = (behaviour.clone(), counts.clone(), acceptor.clone());
                    let began = Instant::now();
                    connections.spawn(async move {
                        // Peers that have had enough of this are what it is for.
                        let _ = misbehave(stream, &behaviour, &counts, acceptor).await;
                        counts.held.lock().unwrap().push(began.elapsed());
                    });
                }
                // No file descriptor is free: connections have to end first.
                Err(_) => sleep(Duration::from_millis(10)).await,
            },
            Some(_) = connections.join_next() => {}
        }
    }
}

async fn misbehave(
    mut stream: TcpStream,
    behaviour: &Behaviour,
    counts: &Counts,
    acceptor: TlsAcceptor,
) -> io::Result<()> {
    // Each single byte has to leave by itself.
    stream.set_nodelay(true)?;
    match behaviour {
        Behaviour::AcceptsAndNeverAnswers => return drain(&mut stream).await,
        Behaviour::ClosesAtOnce => return Ok(()),
        Behaviour::WrongCertificate => {
            let stream = acceptor.accept(stream).await?;
            let mut peer = Peer { stream, counts };
            peer.read_request().await?;
            peer.send(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\nconnection: close\r\n\r\n").await?;
            return peer.close().await;
        }
        _ => {}
    }
    let mut peer = Peer { stream, counts };
    peer.read_request().await?;
    match behaviour {
        Behaviour::OneByteASecond => {
            peer.send(b"HTTP/1.1 200 OK\r\ncontent-length: 100000\r\n\r\n").await?;
            for _ in 0..100_000 {
                sleep(A_SECOND).await;
                peer.send(b"x").await?;
            }
        }
        Behaviour::OneByteASecondHead => {
            let endless = b"HTTP/1.1 200 OK\r\nx-endless: ".iter().chain(std::iter::repeat(&b'x'));
            for byte in endless {
                peer.send(&[*byte]).await?;
                sleep(A_SECOND).await;
            }
        }
        Behaviour::Gibibyte => {
            peer.send(format!("HTTP/1.1 200 OK\r\ncontent-length: {GIBIBYTE}\r\n\r\n").as_bytes()).await?;
            for _ in 0..GIBIBYTE / ZEROS.len() as u64 {
                peer.send(&ZEROS).await?;
            }
        }
        Behaviour::EndlessChunks => {
            peer.send(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n").await?;
            let mut chunk = format!("{:x}\r\n", ZEROS.len()).into_bytes();
            chunk.extend(ZEROS);
            chunk.extend(b"\r\n");
            loop {
                peer.send(&chunk).await?;
            }
        }
        // Closing discards what is unsent, and tells the peer by RST.
        Behaviour::Resets => return peer.stream.set_zero_linger(),
        Behaviour::LiesAboutLength => {
            peer.send(b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n0123456789").await?;
        }
        Behaviour::NotHttp => {
            peer.send(b"SSH-2.0-OpenSSH_9.6\r\n").await?;
            let noise: Vec<u8> = (0..1024u32).map(|at| (at.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
            peer.send(&noise).await?;
        }
        Behaviour::HugeHeaders => {
            let value = "x".repeat(1024);
            let lines: String = (0..1024).map(|at| format!("x-huge-{at}: {value}\r\n")).collect();
            peer.send(format!("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n{lines}\r\n").as_bytes()).await?;
        }
        Behaviour::RedirectTo(url) => {
            let head = format!("HTTP/1.1 302 Found\r\nlocation: {url}\r\n");
            peer.send(format!("{head}content-length: 0\r\nconnection: close\r\n\r\n").as_bytes()).await?;
        }
        Behaviour::Says(response) => peer.send(response.as_bytes()).await?,
        Behaviour::AcceptsAndNeverAnswers | Behaviour::ClosesAtOnce | Behaviour::WrongCertificate => {}
    }
    peer.close().await
}

/// One connection, with its bytes counted.
struct Peer<'a, S> {
    stream: S,
    counts: &'a Counts,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Peer<'_, S> {
    /// Reads a request to its end, as far as a content-length or a last chunk tells it.
    async fn read_request(&mut self) -> io::Result<()> {
        let mut read = Vec::new();
        while !is_whole(&read) {
            if self.stream.read_buf(&mut read).await? == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
        }
        Ok(())
    }

    async fn send(&mut self, mut bytes: &[u8]) -> io::Result<()> {
        while !bytes.is_empty() {
            let written = self.stream.write(bytes).await?;
            self.counts.bytes_written.fetch_add(written as u64, Ordering::Relaxed);
            bytes = &bytes[written..];
        }
        self.stream.flush().await
    }

    /// Closes this side and waits for the peer's: a socket that is dropped with bytes unread resets
    /// the connection, and the peer might lose the answer.
    async fn close(&mut self) -> io::Result<()> {
        self.stream.shutdown().await?;
        drain(&mut self.stream).await
    }
}

fn is_whole(request: &[u8]) -> bool {
    let Some(end) = request.windows(4).position(|four| four == b"\r\n\r\n") else { return false };
    let head = String::from_utf8_lossy(&request[..end]).to_ascii_lowercase();
    let body = &request[end + 4..];
    let header = |name: &str| {
        let mut lines = head.lines().filter_map(|line| line.split_once(':'));
        lines.find(|(key, _)| *key == name).map(|(_, value)| value.trim().to_owned())
    };
    match header("content-length").and_then(|length| length.parse::<usize>().ok()) {
        Some(length) => body.len() >= length,
        None if header("transfer-encoding").is_some() => body.ends_with(b"0\r\n\r\n"),
        None => true,
    }
}

async fn drain(stream: &mut (impl AsyncRead + Unpin)) -> io::Result<()> {
    let mut ignored = [0; 4096];
    while stream.read(&mut ignored).await? > 0 {}
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::time::timeout;

    const REQUEST: &[u8] = b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\n{}";

    async fn asked(hostile: &Hostile) -> TcpStream {
        let mut stream = TcpStream::connect(hostile.addr()).await.unwrap();
        stream.write_all(REQUEST).await.unwrap();
        stream
    }

    /// What comes until the connection ends, and how it ends.
    async fn answer(behaviour: Behaviour) -> (String, io::Result<usize>) {
        let hostile = Hostile::start(behaviour).await;
        let mut read = Vec::new();
        let end = asked(&hostile).await.read_to_end(&mut read).await;
        assert_eq!(hostile.connections(), 1);
        assert_eq!(hostile.bytes_written(), read.len() as u64);
        (String::from_utf8_lossy(&read).into_owned(), end)
    }

    #[tokio::test]
    async fn silence_lasts_until_it_is_dropped() {
        let hostile = Hostile::start(Behaviour::AcceptsAndNeverAnswers).await;
        let mut peers = [asked(&hostile).await, asked(&hostile).await];
        for peer in &mut peers {
            assert!(timeout(Duration::from_millis(100), peer.read_u8()).await.is_err());
        }
        assert_eq!((hostile.connections(), hostile.bytes_written()), (2, 0));
        drop(hostile);
        for peer in &mut peers {
            assert!(timeout(A_SECOND * 10, peer.read_u8()).await.unwrap().is_err());
        }
    }

    #[tokio::test]
    async fn drips_come_a_byte_a_second() {
        for (behaviour, head) in [
            (Behaviour::OneByteASecond, "HTTP/1.1 200 OK\r\ncontent-length: 100000\r\n\r\n"),
            (Behaviour::OneByteASecondHead, "H"),
        ] {
            let hostile = Hostile::start(behaviour).await;
            let mut peer = asked(&hostile).await;
            let mut read = vec![0; head.len()];
            peer.read_exact(&mut read).await.unwrap();
            assert_eq!(read, head.as_bytes());
            assert!(timeout(A_SECOND / 2, peer.read_u8()).await.is_err());
            assert!(timeout(A_SECOND * 10, peer.read_u8()).await.unwrap().is_ok());
        }
    }

    #[tokio::test]
    async fn streams_stop_when_the_peer_has_had_enough() {
        for (behaviour, framing) in [
            (Behaviour::Gibibyte, "content-length: 1073741824"),
            (Behaviour::EndlessChunks, "chunked\r\n\r\n10000\r\n"),
        ] {
            let hostile = Hostile::start(behaviour).await;
            let mut peer = asked(&hostile).await;
            let mut read = vec![0; 1 << 20];
            peer.read_exact(&mut read).await.unwrap();
            assert!(String::from_utf8_lossy(&read[..200]).contains(framing));
            drop(peer);
            assert!(hostile.bytes_written() >= 1 << 20);
            assert!(hostile.bytes_written() < GIBIBYTE / 4);
        }
    }

    #[tokio::test]
    async fn connections_break() {
        let (text, end) = answer(Behaviour::Resets).await;
        assert_eq!((text.as_str(), end.unwrap_err().kind()), ("", io::ErrorKind::ConnectionReset));
        let hostile = Hostile::start(Behaviour::ClosesAtOnce).await;
        let mut peer = TcpStream::connect(hostile.addr()).await.unwrap();
        assert_eq!(peer.read(&mut [0]).await.unwrap(), 0);
    }

    #[tokio::test]
    async fn answers_are_wrong_and_arrive_whole() {
        let (text, end) = answer(Behaviour::LiesAboutLength).await;
        assert!(end.is_ok() && text.contains("content-length: 100\r\n") && text.ends_with("\r\n\r\n0123456789"));
        let (text, end) = answer(Behaviour::NotHttp).await;
        assert!(end.is_ok() && text.starts_with("SSH-2.0-"));
        let (text, end) = answer(Behaviour::HugeHeaders).await;
        assert!(end.unwrap() > 1 << 20 && text.ends_with("\r\n\r\n"));
        let (text, end) = answer(Behaviour::RedirectTo("http://169.254.169.254/".into())).await;
        assert!(end.is_ok() && text.starts_with("HTTP/1.1 302 "));
        assert!(text.contains("\r\nlocation: http://169.254.169.254/\r\n"));
    }

    #[tokio::test]
    async fn the_wrong_certificate_is_refused() {
        use rustls::{ClientConfig, RootCertStore, pki_types::ServerName};
        let hostile = Hostile::start(Behaviour::WrongCertificate).await;
        assert!(hostile.url().starts_with("https://localhost:"));
        let client = ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(RootCertStore::empty())
            .with_no_client_auth();
        let tcp = TcpStream::connect(hostile.addr()).await.unwrap();
        let name = ServerName::try_from("localhost").unwrap();
        let refusal = tokio_rustls::TlsConnector::from(Arc::new(client)).connect(name, tcp).await.unwrap_err();
        assert!(refusal.to_string().contains("certificate"), "{refusal}");
    }
}
