//! A provider under load, that remembers what it was promised.
//!
//! It sends from several tasks at once, each message with its idempotency key again and again until
//! it is answered 202, as the published clients do. What was answered must arrive at every endpoint
//! whose creation had been answered before the message was sent.

use crate::app::{Client, eventually, id};
use crate::receiver::Receiver;
use serde_json::{Value, json};
use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;
use tokio::sync::Mutex;
use tokio::task::JoinHandle;

/// How long a sender waits for an answer before it tries again, or the next node.
pub const PATIENCE: Duration = Duration::from_secs(5);

#[derive(Debug, Default)]
struct Promised {
    /// Message ids, each with how many endpoints were known when it was sent.
    messages: Mutex<Vec<(String, usize)>>,
    /// The paths of endpoints, and their ids.
    paths: Mutex<Vec<(String, String)>>,
    accepted: AtomicUsize,
    refused: AtomicUsize,
    next: AtomicUsize,
    stop: AtomicBool,
    /// Some messages come in batches, and some are for later.
    mixed: AtomicBool,
}

/// See the module.
#[derive(Debug)]
pub struct Load {
    clients: Vec<Client>,
    app: String,
    promised: Arc<Promised>,
    senders: Vec<JoinHandle<()>>,
}

impl Load {
    /// Sends from `senders` tasks to an application of its own, payloads of about `bytes`.
    pub async fn start(client: &Client, senders: usize, bytes: usize) -> Load {
        Load::over(vec![client.clone()], senders, bytes).await
    }

    /// The same over several nodes: whoever is not answered by one tries the next.
    pub async fn over(clients: Vec<Client>, senders: usize, bytes: usize) -> Load {
        let app = clients[0].application().await;
        let promised = Arc::new(Promised::default());
        let sender = |n| {
            let mut clients = clients.clone();
            let first = n % clients.len();
            clients.rotate_left(first);
            tokio::spawn(send(clients, app.clone(), promised.clone(), "x".repeat(bytes)))
        };
        let senders = (0..senders).map(sender).collect();
        Load { clients, app, promised, senders }
    }

    /// From now on some messages come in batches, and some are for later.
    pub fn mix(&self) {
        self.promised.mixed.store(true, Ordering::Relaxed);
    }

    pub fn app(&self) -> &str {
        &self.app
    }

    /// Creates an endpoint at a path of the receiver; every message from now on must arrive there.
    pub async fn endpoint(&self, receiver: &Receiver, path: &str) -> String {
        // Where every third answer is an error, seven in a row do happen; fifteen don't.
        let retries = [0, 0, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1];
        let endpoint = json!({"url": receiver.url(path), "retrySchedule": retries});
        let endpoint = self.clients[0].endpoint(&self.app, endpoint).await;
        self.promised.paths.lock().await.push((path.to_owned(), endpoint.clone()));
        endpoint
    }

    /// Messages answered 202 so far.
    pub fn accepted(&self) -> usize {
        self.promised.accepted.load(Ordering::Relaxed)
    }

    /// Requests answered otherwise, or not at all.
    pub fn refused(&self) -> usize {
        self.promised.refused.load(Ordering::Relaxed)
    }

    /// Returns when `more` further messages were accepted.
    pub async fn wait_for(&self, more: usize) {
        let before = self.accepted();
        let done = eventually(async || self.accepted() >= before + more).await;
        assert!(done, "{} messages were accepted instead of {more}", self.accepted() - before);
    }

    /// Stops sending; what is under way is finished.
    pub async fn stop(&mut self) {
        self.promised.stop.store(true, Ordering::Relaxed);
        for sender in self.senders.drain(..) {
            sender.await.unwrap();
        }
    }

    /// Checks the promise: all arrived, our own API lists every message, and as delivered. Returns how
    /// many messages there were and how many arrived more than once.
    pub async fn check(&self, receiver: &Receiver) -> (usize, usize) {
        let messages = self.promised.messages.lock().await.clone();
        let paths = self.promised.paths.lock().await.clone();
        let mut repeats = 0;
        for (n, (path, endpoint)) in paths.iter().enumerate() {
            let must: Vec<&String> = messages.iter().filter(|(_, known)| *known > n).map(|(id, _)| id).collect();
            let missing = || {
                let ids = receiver.ids(path);
                must.iter().filter(|id| !ids.contains_key(**id)).collect::<Vec<_>>()
            };
            // However long the backlog is, it must go on shrinking.
            let mut left = usize::MAX;
            while !missing().is_empty() && missing().len() < left {
                left = missing().len();
                eventually(async || missing().is_empty()).await;
            }
            if !missing().is_empty() {
                let missing = missing();
                let attempts = self.clients[0].attempts(&self.app, missing[0]).await;
                let path_of = |what| format!("/api/v1/app/{}/endpoint/{endpoint}{what}", self.app);
                for what in ["", "/stats", "/circuit", "/order"] {
                    println!("{what}: {}", self.clients[0].get(&path_of(what)).await.body);
                }
                panic!("{} of {} are missing at {path}; the first: {attempts:#?}", missing.len(), must.len());
            }
            repeats += receiver.ids(path).values().map(|count| count - 1).sum::<usize>();
        }
        let listed = self.everything().await;
        assert!(messages.iter().all(|(id, _)| listed.contains_key(id)), "our own API lists every message");
        // A test may have disabled others.
        let is_ours = |row: &Value| paths.iter().any(|(_, endpoint)| row["id"] == *endpoint.as_str());
        for (message, _) in messages.iter().step_by(messages.len() / 40 + 1) {
            let mut states = Value::Null;
            let path = format!("/api/v1/app/{}/msg/{message}/endpoint?limit=250", self.app);
            let known = eventually(async || {
                states = self.clients[0].get(&path).await.expect(200)["data"].take();
                let mut ours = states.as_array().unwrap().iter().filter(|row| is_ours(row));
                ours.all(|row| row["statusText"] == "success")
            })
            .await;
            let attempts = self.clients[0].attempts(&self.app, message).await;
            assert!(known, "{message}: {states}, {attempts:#?}");
        }
        (messages.len(), repeats)
    }

    /// Every message that the API lists, page by page.
    async fn everything(&self) -> HashMap<String, Value> {
        let mut all = HashMap::new();
        let mut iterator = String::new();
        loop {
            let path = format!("/api/v1/app/{}/msg?limit=250&with_content=false{iterator}", self.app);
            let page = self.clients[0].get(&path).await.expect(200);
            for message in page["data"].as_array().unwrap() {
                assert!(all.insert(id(message), message.clone()).is_none(), "listed twice");
            }
            if page["done"] == true {
                return all;
            }
            iterator = format!("&iterator={}", page["iterator"].as_str().unwrap());
        }
    }
}

async fn send(mut clients: Vec<Client>, app: String, promised: Arc<Promised>, text: String) {
    while !promised.stop.load(Ordering::Relaxed) {
        let n = promised.next.fetch_add(1, Ordering::Relaxed);
        let known = promised.paths.lock().await.len();
        let mixed = promised.mixed.load(Ordering::Relaxed);
        let (path, body) = request(&app, n, &text, mixed);
        let body = body.to_string().into_bytes();
        let key = format!("key-{n}");
        let accepted = loop {
            let key = [("idempotency-key", key.as_str())];
            let answer = clients[0].try_request("POST", &path, &key, Some(body.clone()));
            match tokio::time::timeout(PATIENCE, answer).await {
                Ok(Ok(reply)) if reply.status == 202 => break ids(&reply.body),
                _ => {
                    promised.refused.fetch_add(1, Ordering::Relaxed);
                    clients.rotate_left(1);
                    tokio::time::sleep(Duration::from_millis(20)).await;
                }
            }
        };
        let count = accepted.len();
        promised.messages.lock().await.extend(accepted.into_iter().map(|id| (id, known)));
        promised.accepted.fetch_add(count, Ordering::Relaxed);
    }
}

/// The path and body of the `n`th request.
fn request(app: &str, n: usize, text: &str, mixed: bool) -> (String, Value) {
    let message = |place: usize| json!({"eventType": "load", "payload": {"n": n, "place": place, "text": text}});
    let path = format!("/api/v1/app/{app}/msg");
    if mixed && n % 8 == 3 {
        let messages: Vec<Value> = (0..4).map(message).collect();
        return (format!("{path}/batch"), json!({"messages": messages}));
    }
    let mut message = message(0);
    if mixed && n % 8 == 6 {
        let at = OffsetDateTime::now_utc() + Duration::from_millis(700);
        message["deliverAt"] = Value::from(at.format(&Rfc3339).unwrap());
    }
    (format!("{path}?with_content=false"), message)
}

/// The ids of the messages in an answer.
fn ids(body: &Value) -> Vec<String> {
    match body["data"].as_array() {
        Some(batch) => batch.iter().map(|entry| id(&entry["message"])).collect(),
        None => vec![id(body)],
    }
}
