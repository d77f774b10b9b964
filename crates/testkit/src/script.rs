//! A receiver that follows a script, byte for byte and connection for connection.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

/// What happens on a connection, one step after the other. After the last the connection is closed.
#[derive(Clone, Debug)]
pub enum Step {
    /// Reads a request.
    Read,
    /// Reads the head of a request; a later [`Step::Read`] reads the rest.
    ReadHead,
    Write(Vec<u8>),
    /// Ends the connection with an RST.
    Reset,
    /// Nothing more, until the peer closes the connection.
    Silence,
}

impl Step {
    pub fn write(bytes: impl AsRef<[u8]>) -> Step {
        Step::Write(bytes.as_ref().to_vec())
    }

    /// A response to which nothing is wrong.
    pub fn ok() -> Step {
        Step::write("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok")
    }
}

/// A request as it came, and over which connection.
#[derive(Clone, Debug)]
pub struct Heard {
    /// Counted from 0.
    pub connection: usize,
    /// The request line and the headers.
    pub head: String,
    pub body: Vec<u8>,
}

/// The receiver; it ends when it is dropped.
#[derive(Debug)]
pub struct Script {
    addr: SocketAddr,
    heard: Arc<Mutex<Vec<Heard>>>,
    _running: JoinSet<()>,
}

impl Script {
    /// `steps` says what the connection with this number does.
    pub async fn start(steps: impl Fn(usize) -> Vec<Step> + Send + 'static) -> Script {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let addr = listener.local_addr().unwrap();
        let heard = Arc::new(Mutex::new(Vec::new()));
        let mut running = JoinSet::new();
        let shared = heard.clone();
        running.spawn(async move {
            let mut connections = JoinSet::new();
            for number in 0.. {
                let Ok((stream, _)) = listener.accept().await else { return };
                connections.spawn(follow(stream, number, steps(number), shared.clone()));
            }
        });
        Script { addr, heard, _running: running }
    }

    /// Each connection gets one request and this for a response.
    pub async fn answers(bytes: impl AsRef<[u8]>) -> Script {
        let bytes = bytes.as_ref().to_vec();
        Script::start(move |_| vec![Step::Read, Step::write(&bytes)]).await
    }

    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.addr)
    }

    /// The requests so far.
    pub fn heard(&self) -> Vec<Heard> {
        self.heard.lock().unwrap().clone()
    }
}

async fn follow(mut stream: TcpStream, number: usize, steps: Vec<Step>, heard: Arc<Mutex<Vec<Heard>>>) {
    let mut bytes = Vec::new();
    for step in steps {
        let done = match step {
            Step::Read => read(&mut stream, &mut bytes, number, &heard).await,
            Step::ReadHead => read_head(&mut stream, &mut bytes).await.map(drop),
            Step::Write(bytes) => stream.write_all(&bytes).await.ok(),
            Step::Reset => {
                let _ = stream.set_zero_linger();
                return;
            }
            Step::Silence => stream.read_to_end(&mut Vec::new()).await.ok().map(drop),
        };
        if done.is_none() {
            return;
        }
    }
}

/// `None`: the peer has closed the connection.
async fn read(stream: &mut TcpStream, bytes: &mut Vec<u8>, connection: usize, heard: &Mutex<Vec<Heard>>) -> Option<()> {
    let end = read_head(stream, bytes).await?;
    let head = String::from_utf8(bytes.drain(..end).collect()).unwrap();
    let length = head.lines().find_map(|line| {
        let (name, value) = line.split_once(':')?;
        name.eq_ignore_ascii_case("content-length").then(|| value.trim().parse::<usize>().unwrap())
    });
    while bytes.len() < length.unwrap_or(0) {
        more(stream, bytes).await?;
    }
    heard.lock().unwrap().push(Heard { connection, head, body: std::mem::take(bytes) });
    Some(())
}

/// Where the head ends.
async fn read_head(stream: &mut TcpStream, bytes: &mut Vec<u8>) -> Option<usize> {
    loop {
        if let Some(end) = bytes.windows(4).position(|four| four == b"\r\n\r\n") {
            return Some(end + 4);
        }
        more(stream, bytes).await?;
    }
}

async fn more(stream: &mut TcpStream, bytes: &mut Vec<u8>) -> Option<()> {
    match stream.read_buf(bytes).await {
        Ok(0) | Err(_) => None,
        Ok(_) => Some(()),
    }
}
