//! A connection to PostgreSQL that breaks in the middle of a commit, again and again, or goes silent and then breaks.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

/// Where in a commit the connection breaks.
#[derive(Clone, Copy, Debug)]
enum Cut {
    /// The statements arrive, COMMIT doesn't.
    Before,
    /// COMMIT arrives, its answer is never read.
    After,
    /// The same, and the server had time to do it.
    Later,
}

/// A proxy before a server; ends with the test.
#[derive(Debug)]
pub struct Cutter {
    pub port: u16,
    /// Commits until the next cut; 0: none.
    every: Arc<AtomicU64>,
    cuts: Arc<AtomicUsize>,
    silent: watch::Sender<bool>,
}

impl Cutter {
    pub async fn start(host: String, port: u16) -> Cutter {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let own = listener.local_addr().unwrap().port();
        let (silent, _) = watch::channel(false);
        let cutter = Cutter { port: own, every: Arc::default(), cuts: Arc::default(), silent };
        let (every, cuts, silent) = (cutter.every.clone(), cutter.cuts.clone(), cutter.silent.clone());
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                if let Ok(server) = TcpStream::connect((host.as_str(), port)).await {
                    tokio::spawn(pass(client, server, every.clone(), cuts.clone(), silent.subscribe()));
                }
            }
        });
        cutter
    }

    /// Cuts every so many commits from now on.
    pub fn cut_every(&self, commits: u64) {
        self.every.store(commits, Ordering::Relaxed);
    }

    /// What is asked from now on gets no answer.
    pub fn fall_silent(&self) {
        self.silent.send_replace(true);
    }

    /// Connections on which something was asked meanwhile break; new ones work.
    pub fn break_off(&self) {
        self.silent.send_replace(false);
    }

    pub fn cuts(&self) -> usize {
        self.cuts.load(Ordering::Relaxed)
    }
}

async fn pass(
    client: TcpStream,
    server: TcpStream,
    every: Arc<AtomicU64>,
    cuts: Arc<AtomicUsize>,
    mut silent: watch::Receiver<bool>,
) {
    let (mut from_client, mut to_client) = client.into_split();
    let (mut from_server, mut to_server) = server.into_split();
    let back = tokio::spawn(async move {
        let _ = tokio::io::copy(&mut from_server, &mut to_client).await;
    });
    let (mut buffer, mut commits) = (vec![0; 1 << 20], 0);
    while let Ok(read @ 1..) = from_client.read(&mut buffer).await {
        if *silent.borrow_and_update() {
            let _ = silent.changed().await;
            break;
        }
        let sent = &buffer[..read];
        let commit = sent.windows(6).position(|window| window == b"COMMIT");
        commits += u64::from(commit.is_some());
        let due = every.load(Ordering::Relaxed);
        if let Some(at) = commit.filter(|_| due > 0 && commits >= due) {
            let cut = [Cut::Before, Cut::After, Cut::Later][cuts.fetch_add(1, Ordering::Relaxed) % 3];
            // A simple query's message begins five bytes before its text.
            let until = if matches!(cut, Cut::Before) { at.saturating_sub(5) } else { read };
            let _ = to_server.write_all(&sent[..until]).await;
            if matches!(cut, Cut::Later) {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
            break;
        }
        if to_server.write_all(sent).await.is_err() {
            break;
        }
    }
    back.abort();
}
