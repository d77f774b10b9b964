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

mod answer;
mod received;
mod record;
mod serve;
#[cfg(test)]
mod tests;
mod wait;

pub use answer::Answer;
pub use received::Received;

use crate::certs::Identity;
use record::{Capacity, Keep, Shared};
use rustls::ServerConfig;
use serve::{Running, listen};
use std::collections::HashMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex};
use std::time::Instant;
use tokio::sync::watch;

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
        Receiver::start_tls_with(identity.server_config()).await
    }

    /// [`Receiver::start_tls`] with settings of TLS of one's own.
    pub async fn start_tls_with(config: Arc<ServerConfig>) -> Receiver {
        Receiver::launch((Ipv4Addr::LOCALHOST, 0).into(), Some(config), Keep::Everything).await
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

    /// From now on `path` takes so many requests in each second, and answers 503 to the rest.
    pub fn take_per_second(&self, path: &str, per_second: u32) {
        let mut state = self.shared.state.lock().unwrap();
        let capacity = Capacity { per_second, since: Instant::now(), taken: 0, refused: 0 };
        state.path(path).capacity = Some(capacity);
    }

    /// From now on `path` answers one request after the other; the others wait.
    pub fn one_at_a_time(&self, path: &str) {
        self.shared.state.lock().unwrap().path(path).turn = Some(Arc::default());
    }

    /// How many requests to `path` were not more than it takes.
    pub fn taken(&self, path: &str) -> usize {
        self.count(path) - self.refused(path)
    }

    /// How many requests to `path` were more than it takes, since that was said.
    pub fn refused(&self, path: &str) -> usize {
        let mut state = self.shared.state.lock().unwrap();
        state.path(path).capacity.as_ref().map_or(0, |capacity| capacity.refused)
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
