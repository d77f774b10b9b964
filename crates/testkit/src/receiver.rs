//! A receiver of webhooks that answers what the test says and remembers what came.
//!
//! ```no_run
//! # use postrider_testkit::receiver::{Answer, Receiver};
//! # async fn test() {
//! let receiver = Receiver::start().await;
//! receiver.answer_in_turn("/hook", vec![Answer::status(503), Answer::status(204)]);
//! // … have something sent to receiver.url("/hook") …
//! let requests = receiver.wait_for("/hook", 2).await;
//! assert_eq!(requests[0].body, requests[1].body);
//! # }
//! ```

use crate::certs::Identity;
use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Request, Response, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::rt::{Read, Write};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use rustls::ServerConfig;
use std::collections::HashMap;
use std::fmt::Write as _;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::{oneshot, watch};
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::{sleep, timeout};
use tokio_rustls::TlsAcceptor;

/// How long [`Receiver::wait_for`] waits: far beyond what a healthy test takes on a busy machine.
const PATIENCE: Duration = Duration::from_secs(20);
/// Connections that the kernel keeps until they are accepted, so that a burst isn't refused.
const BACKLOG: u32 = 4096;

/// What a path answers.
#[derive(Clone, Debug)]
pub struct Answer {
    pub status: u16,
    pub headers: Vec<(String, String)>,
    pub body: Bytes,
    /// Waited after the request has been read and recorded, before the answer starts.
    pub delay: Duration,
}

impl Answer {
    pub fn status(status: u16) -> Answer {
        Answer { status, headers: vec![], body: Bytes::new(), delay: Duration::ZERO }
    }

    pub fn header(mut self, name: &str, value: &str) -> Answer {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    pub fn body(mut self, body: impl Into<Bytes>) -> Answer {
        self.body = body.into();
        self
    }

    pub fn delay(mut self, delay: Duration) -> Answer {
        self.delay = delay;
        self
    }

    fn response(&self) -> Response<Full<Bytes>> {
        let mut response = Response::new(Full::new(self.body.clone()));
        *response.status_mut() = StatusCode::from_u16(self.status).unwrap();
        for (name, value) in &self.headers {
            let name = HeaderName::from_bytes(name.as_bytes()).unwrap();
            response.headers_mut().append(name, HeaderValue::from_str(value).unwrap());
        }
        response
    }
}

/// 200, with nothing else.
impl Default for Answer {
    fn default() -> Answer {
        Answer::status(200)
    }
}

/// One request, as it came.
#[derive(Clone, Debug)]
pub struct Received {
    pub method: String,
    pub path: String,
    pub query: Option<String>,
    /// Names in lower case, in the order in which they came (repeated names stand together).
    pub headers: Vec<(String, String)>,
    pub body: Bytes,
    /// When the whole of it had been read.
    pub at: Instant,
}

impl Received {
    /// The first value of this header, whatever the case of `name`.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    }

    pub fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("not JSON ({error}): {}", self.text()))
    }

    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    fn line(&self) -> String {
        let text: String = self.text().chars().take(200).collect();
        let id = self.header(ID).unwrap_or("without id");
        format!("{} {} ({id}, {} bytes): {text}", self.method, self.path, self.body.len())
    }
}

/// The header that tells messages apart.
const ID: &str = "webhook-id";

/// The receiver. It stops when it is dropped: the port closes and connections break.
#[derive(Debug)]
pub struct Receiver {
    addr: SocketAddr,
    tls: Option<Arc<ServerConfig>>,
    shared: Arc<Shared>,
    running: Mutex<Option<Running>>,
}

impl Receiver {
    /// On a free port of 127.0.0.1.
    pub async fn start() -> Receiver {
        Receiver::start_on((Ipv4Addr::LOCALHOST, 0).into()).await
    }

    pub async fn start_on(addr: SocketAddr) -> Receiver {
        Receiver::launch(addr, None, Keep::Everything).await
    }

    /// Speaks TLS under this identity, which should be one for `localhost` (see [`Receiver::url`]).
    pub async fn start_tls(identity: &Identity) -> Receiver {
        let addr = (Ipv4Addr::LOCALHOST, 0).into();
        Receiver::launch(addr, Some(identity.server_config()), Keep::Everything).await
    }

    /// Keeps no requests, only how many came and with which ids: for more requests than memory should
    /// hold.
    pub async fn counting() -> Receiver {
        Receiver::launch((Ipv4Addr::LOCALHOST, 0).into(), None, Keep::Counts).await
    }

    async fn launch(addr: SocketAddr, tls: Option<Arc<ServerConfig>>, keep: Keep) -> Receiver {
        let listener = listen(addr);
        let addr = listener.local_addr().unwrap();
        let shared = Arc::new(Shared { keep, state: Mutex::default(), arrivals: watch::Sender::new(()) });
        let running = Mutex::new(Some(Running::start(listener, tls.clone(), shared.clone())));
        Receiver { addr, tls, shared, running }
    }

    /// Closes the port and breaks all connections; both have happened when this returns. What came
    /// stays known, and so do the answers.
    pub async fn stop(&self) {
        let running = self.running.lock().unwrap().take();
        if let Some(Running { stop, task }) = running {
            drop(stop);
            task.await.unwrap();
        }
    }

    /// Listens again, on the same port, after [`Receiver::stop`].
    pub async fn restart(&self) {
        self.stop().await;
        let running = Running::start(listen(self.addr), self.tls.clone(), self.shared.clone());
        *self.running.lock().unwrap() = Some(running);
    }

    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    pub fn port(&self) -> u16 {
        self.addr.port()
    }

    /// `http://127.0.0.1:PORT/path`, or `https://localhost:PORT/path` with TLS.
    pub fn url(&self, path: &str) -> String {
        self.url_on(if self.tls.is_some() { "localhost" } else { "127.0.0.1" }, path)
    }

    /// The same under another name of this machine, such as one that a test's DNS server made up.
    pub fn url_on(&self, host: &str, path: &str) -> String {
        let scheme = if self.tls.is_some() { "https" } else { "http" };
        format!("{scheme}://{host}:{}{path}", self.port())
    }

    /// What `path` answers from now on.
    pub fn answer(&self, path: &str, answer: Answer) {
        self.answer_in_turn(path, vec![answer]);
    }

    /// The next request to `path` gets the first of these, the one after it the second; the last
    /// repeats.
    pub fn answer_in_turn(&self, path: &str, answers: Vec<Answer>) {
        assert!(!answers.is_empty(), "{path}: no answer at all");
        // What can't be sent fails the test here, not a connection later.
        answers.iter().for_each(|answer| drop(answer.response()));
        let mut state = self.shared.state.lock().unwrap();
        let record = state.path(path);
        record.answers = answers;
        record.next = 0;
    }

    /// Returns as soon as `n` requests have come to `path` since the start: all that have come, in
    /// order. (A [counting](Receiver::counting) receiver waits as well, and returns none.)
    ///
    /// Panics after 20 seconds, and says what did come.
    pub async fn wait_for(&self, path: &str, n: usize) -> Vec<Received> {
        self.wait_for_within(path, n, PATIENCE).await
    }

    /// [`Receiver::wait_for`], with another patience.
    pub async fn wait_for_within(&self, path: &str, n: usize, patience: Duration) -> Vec<Received> {
        if !self.reaches(path, n, patience).await {
            panic!("waited {patience:?} for {n} requests to {path}; {}", self.story(path));
        }
        self.received(path)
    }

    /// Lets `duration` pass and panics as soon as another request comes to `path`.
    pub async fn expect_silence(&self, path: &str, duration: Duration) {
        let before = self.count(path);
        if self.reaches(path, before + 1, duration).await {
            panic!("expected no request to {path} after the first {before}; {}", self.story(path));
        }
    }

    /// Whether `n` requests come to `path` in time.
    async fn reaches(&self, path: &str, n: usize, patience: Duration) -> bool {
        // Subscribed before the first count, so that no arrival falls between the two.
        let mut arrivals = self.shared.arrivals.subscribe();
        let enough = async {
            while self.count(path) < n {
                arrivals.changed().await.unwrap();
            }
        };
        timeout(patience, enough).await.is_ok()
    }

    fn story(&self, path: &str) -> String {
        let state = self.shared.state.lock().unwrap();
        let mut story = format!("there were {}", state.paths.get(path).map_or(0, |record| record.count));
        let here: Vec<_> = state.all.iter().filter(|received| received.path == path).collect();
        for received in here.iter().rev().take(20).rev() {
            let _ = write!(story, "\n  {}", received.line());
        }
        for (other, record) in state.paths.iter().filter(|(other, record)| *other != path && record.count > 0) {
            let _ = write!(story, "\n  and {} to {other}", record.count);
        }
        story
    }

    /// What came to `path` so far.
    pub fn received(&self, path: &str) -> Vec<Received> {
        let state = self.shared.state.lock().unwrap();
        let places = state.paths.get(path).map_or(&[][..], |record| &record.places);
        places.iter().map(|&place| state.all[place].clone()).collect()
    }

    /// How many requests came to `path` so far.
    pub fn count(&self, path: &str) -> usize {
        self.shared.state.lock().unwrap().paths.get(path).map_or(0, |record| record.count)
    }

    /// What came so far, to any path, in order.
    pub fn all(&self) -> Vec<Received> {
        self.shared.state.lock().unwrap().all.clone()
    }

    /// How many requests came to `path` with each `webhook-id`; those without one are left out.
    pub fn ids(&self, path: &str) -> HashMap<String, usize> {
        self.shared.state.lock().unwrap().paths.get(path).map(|record| record.ids.clone()).unwrap_or_default()
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Keep {
    Everything,
    Counts,
}

#[derive(Debug)]
struct Shared {
    keep: Keep,
    state: Mutex<State>,
    arrivals: watch::Sender<()>,
}

#[derive(Debug, Default)]
struct State {
    all: Vec<Received>,
    paths: HashMap<String, PathRecord>,
}

#[derive(Debug, Default)]
struct PathRecord {
    count: usize,
    /// Which of `State::all`.
    places: Vec<usize>,
    ids: HashMap<String, usize>,
    answers: Vec<Answer>,
    next: usize,
}

impl State {
    fn path(&mut self, path: &str) -> &mut PathRecord {
        // Not `entry`: it would want a new string for every request.
        if !self.paths.contains_key(path) {
            self.paths.insert(path.to_owned(), PathRecord::default());
        }
        self.paths.get_mut(path).unwrap()
    }
}

impl Shared {
    async fn take(&self, request: Request<Incoming>) -> Result<Response<Full<Bytes>>, hyper::Error> {
        let (head, mut body) = request.into_parts();
        let received = match self.keep {
            Keep::Everything => {
                let body = body.collect().await?.to_bytes();
                Some(Received {
                    method: head.method.to_string(),
                    path: head.uri.path().to_owned(),
                    query: head.uri.query().map(str::to_owned),
                    headers: listed(&head.headers),
                    body,
                    at: Instant::now(),
                })
            }
            Keep::Counts => {
                while let Some(frame) = body.frame().await {
                    frame?;
                }
                None
            }
        };
        let answer = self.record(head.uri.path(), head.headers.get(ID), received);
        if !answer.delay.is_zero() {
            sleep(answer.delay).await;
        }
        Ok(answer.response())
    }

    /// Recording a request and choosing its answer are one step, so that the order of the one is the
    /// order of the other.
    fn record(&self, path: &str, id: Option<&HeaderValue>, received: Option<Received>) -> Answer {
        let mut state = self.state.lock().unwrap();
        let place = state.all.len();
        let record = state.path(path);
        record.count += 1;
        if let Some(id) = id {
            *record.ids.entry(lossy(id)).or_default() += 1;
        }
        let answer = record.answers.get(record.next).cloned().unwrap_or_default();
        record.next = (record.next + 1).min(record.answers.len().saturating_sub(1));
        if let Some(received) = received {
            record.places.push(place);
            state.all.push(received);
        }
        drop(state);
        self.arrivals.send_replace(());
        answer
    }
}

fn listed(headers: &HeaderMap) -> Vec<(String, String)> {
    headers.iter().map(|(name, value)| (name.as_str().to_owned(), lossy(value))).collect()
}

fn lossy(value: &HeaderValue) -> String {
    String::from_utf8_lossy(value.as_bytes()).into_owned()
}

/// The listening task. It ends when `stop` is dropped, and connections with it.
#[derive(Debug)]
struct Running {
    stop: oneshot::Sender<()>,
    task: JoinHandle<()>,
}

impl Running {
    fn start(listener: TcpListener, tls: Option<Arc<ServerConfig>>, shared: Arc<Shared>) -> Running {
        let (stop, stopped) = oneshot::channel();
        Running { stop, task: tokio::spawn(accept_all(listener, tls, shared, stopped)) }
    }
}

fn listen(addr: SocketAddr) -> TcpListener {
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::certs::Authority;
    use rustls::pki_types::ServerName;
    use rustls::{ClientConfig, RootCertStore};
    use std::io;
    use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
    use tokio_rustls::TlsConnector;

    async fn exchange(mut stream: impl AsyncRead + AsyncWrite + Unpin, request: &str) -> io::Result<String> {
        stream.write_all(request.as_bytes()).await?;
        let mut response = String::new();
        stream.read_to_string(&mut response).await?;
        Ok(response)
    }

    async fn post(receiver: &Receiver, target: &str, id: &str, body: &str) -> io::Result<String> {
        let length = body.len();
        let head = format!("POST {target} HTTP/1.1\r\nHost: x\r\nWebhook-Id: {id}\r\nX-Two: a\r\nX-Two: b");
        let request = format!("{head}\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{body}");
        exchange(TcpStream::connect(receiver.addr()).await?, &request).await
    }

    #[tokio::test]
    async fn it_records_what_comes_and_answers_as_told() {
        let receiver = Receiver::start().await;
        let busy = Answer::status(503).header("retry-after", "7").body("later").delay(Duration::from_millis(50));
        receiver.answer_in_turn("/hook", vec![busy, Answer::status(204)]);

        let asked = Instant::now();
        let first = post(&receiver, "/hook?a=1", "m1", r#"{"n":1}"#).await.unwrap();
        assert!(asked.elapsed() >= Duration::from_millis(50));
        assert!(first.starts_with("HTTP/1.1 503 ") && first.contains("retry-after: 7\r\n") && first.ends_with("later"));
        for _ in 0..2 {
            assert!(post(&receiver, "/hook", "m2", "{}").await.unwrap().starts_with("HTTP/1.1 204 "));
        }
        assert!(post(&receiver, "/other", "m3", "").await.unwrap().starts_with("HTTP/1.1 200 "));

        let came = receiver.wait_for("/hook", 3).await;
        assert_eq!(came.len(), 3);
        assert_eq!((came[0].method.as_str(), came[0].query.as_deref()), ("POST", Some("a=1")));
        assert_eq!(came[0].json()["n"], 1);
        assert_eq!(came[0].header("Webhook-ID"), Some("m1"));
        let names: Vec<&str> = came[0].headers.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(names, ["host", "webhook-id", "x-two", "x-two", "content-length", "connection"]);
        assert!(came[0].at <= came[1].at);
        assert_eq!((receiver.count("/hook"), receiver.count("/nowhere"), receiver.all().len()), (3, 0, 4));
        assert_eq!(receiver.ids("/hook"), HashMap::from([("m1".into(), 1), ("m2".into(), 2)]));
    }

    #[tokio::test]
    async fn waiting_ends_when_the_request_comes() {
        let receiver = Arc::new(Receiver::start().await);
        let waiter = tokio::spawn({
            let receiver = receiver.clone();
            async move { receiver.wait_for("/hook", 1).await.len() }
        });
        receiver.expect_silence("/hook", Duration::from_millis(50)).await;
        assert!(!waiter.is_finished());
        post(&receiver, "/hook", "m1", "{}").await.unwrap();
        assert_eq!(waiter.await.unwrap(), 1);
    }

    #[tokio::test]
    #[should_panic(
        expected = "for 2 requests to /hook; there were 1\n  POST /hook (m1, 2 bytes): {}\n  and 1 to /other"
    )]
    async fn waiting_in_vain_tells_what_came() {
        let receiver = Receiver::start().await;
        post(&receiver, "/hook", "m1", "{}").await.unwrap();
        post(&receiver, "/other", "m2", "{}").await.unwrap();
        receiver.wait_for_within("/hook", 2, Duration::from_millis(50)).await;
    }

    #[tokio::test]
    #[should_panic(expected = "expected no request to /hook after the first 0")]
    async fn a_request_breaks_the_silence() {
        let receiver = Receiver::start().await;
        tokio::join!(receiver.expect_silence("/hook", PATIENCE), post(&receiver, "/hook", "m1", "{}")).1.unwrap();
    }

    #[tokio::test]
    async fn counting_keeps_ids_and_no_requests() {
        let receiver = Receiver::counting().await;
        post(&receiver, "/hook", "m1", "{}").await.unwrap();
        post(&receiver, "/hook", "m1", "{}").await.unwrap();
        assert!(receiver.wait_for("/hook", 2).await.is_empty());
        assert_eq!(receiver.ids("/hook"), HashMap::from([("m1".into(), 2)]));
        assert!(receiver.all().is_empty());
    }

    #[tokio::test]
    async fn it_stops_and_starts_again_on_its_port() {
        let receiver = Receiver::start().await;
        let mut open = TcpStream::connect(receiver.addr()).await.unwrap();
        open.write_all(b"GET /a HTTP/1.1\r\nHost: x\r\n\r\n").await.unwrap();
        receiver.wait_for("/a", 1).await;
        receiver.stop().await;
        assert!(post(&receiver, "/a", "m1", "").await.is_err());
        let _ = timeout(PATIENCE, open.read_to_end(&mut vec![])).await.expect("the open connection breaks");

        receiver.restart().await;
        post(&receiver, "/a", "m2", "").await.unwrap();
        assert_eq!(receiver.count("/a"), 2);

        let addr = receiver.addr();
        drop(receiver);
        while TcpStream::connect(addr).await.is_ok() {
            tokio::task::yield_now().await;
        }
        let second = Receiver::start_on(addr).await;
        assert_eq!((second.port(), second.count("/a")), (addr.port(), 0));
    }

    #[tokio::test]
    async fn it_speaks_tls_under_its_identity() {
        let authority = Authority::new();
        let receiver = Receiver::start_tls(&authority.identity(&["localhost", "127.0.0.1"])).await;
        assert_eq!(receiver.url("/x"), format!("https://localhost:{}/x", receiver.port()));
        let mut roots = RootCertStore::empty();
        roots.add(authority.certificate()).unwrap();
        let client = ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
        let tcp = TcpStream::connect(receiver.addr()).await.unwrap();
        let name = ServerName::try_from("localhost").unwrap();
        let tls = TlsConnector::from(Arc::new(client)).connect(name, tcp).await.unwrap();
        let response = exchange(tls, "GET /x HTTP/1.0\r\n\r\n").await.unwrap();
        assert!(response.starts_with("HTTP/1.0 200 "), "{response}");
        assert_eq!(receiver.wait_for("/x", 1).await[0].method, "GET");
    }
}
