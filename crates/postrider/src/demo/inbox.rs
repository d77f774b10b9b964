//! The built-in receiver: stores what arrives, checks it, and shows it. On loopback, and under its own
//! host name only, so that no page of another site can read it through a name that points here.

use super::keyring::Keyring;
use super::page;
use super::verify::{Received, Verdict, judge};
use axum::body::{Body, to_bytes};
use axum::extract::{Path, Request, State};
use axum::http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, HOST, REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS,
};
use axum::http::{HeaderName, HeaderValue, Method, StatusCode};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use postrider_clock::Clock;
use serde_json::{Value, json};
use std::collections::VecDeque;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};
use time::OffsetDateTime;
use time::format_description::BorrowedFormatItem;
use time::macros::format_description;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::Instant;

/// Requests that are kept.
const MOST: usize = 200;
/// Bytes of bodies that are kept, all together.
const MOST_BYTES: usize = 32 << 20;
/// Bytes of a body that are kept; it is checked whole.
const SHOWN: usize = 1 << 20;
/// Bytes of a body that are read.
const LONGEST_BODY: usize = 32 << 20;
const LONGEST_NAME: usize = 64;
const TIME: &[BorrowedFormatItem<'_>] =
    format_description!("[year]-[month]-[day]T[hour]:[minute]:[second].[subsecond digits:3]Z");

const POLICY: &str =
    "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// A running inbox.
#[derive(Debug)]
pub struct Inbox {
    shared: Arc<Shared>,
    task: JoinHandle<()>,
}

/// A request that arrived.
#[derive(Debug)]
pub struct Arrival {
    /// 1 for the first.
    pub number: u64,
    pub contract: String,
    pub wall_ms: i64,
    pub at: Instant,
    pub headers: Vec<(String, String)>,
    /// As text, up to a limit.
    pub body: String,
    /// How long the body was.
    pub body_bytes: usize,
    pub cut: bool,
    pub verdict: Verdict,
}

#[derive(Debug)]
struct Shared {
    port: u16,
    clock: Clock,
    keyring: Keyring,
    held: Mutex<Held>,
    /// The number of the newest arrival.
    newest: watch::Sender<u64>,
}

#[derive(Debug, Default)]
struct Held {
    arrivals: VecDeque<Arc<Arrival>>,
    bytes: usize,
    count: u64,
}

impl Inbox {
    /// Starts on a free port of loopback.
    pub async fn start(clock: Clock) -> std::io::Result<Inbox> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let shared = Arc::new(Shared {
            port: listener.local_addr()?.port(),
            clock,
            keyring: Keyring::default(),
            held: Mutex::default(),
            newest: watch::Sender::new(0),
        });
        let router = router(shared.clone());
        let task = tokio::spawn(async move {
            // It serves until the task is stopped.
            let _ = axum::serve(listener, router).await;
        });
        Ok(Inbox { shared, task })
    }

    /// Where people look.
    pub fn url(&self) -> String {
        format!("http://{}/", SocketAddr::from((Ipv4Addr::LOCALHOST, self.shared.port)))
    }

    /// Where a contract's endpoint points.
    pub fn endpoint_url(&self, contract: &str) -> String {
        self.url() + contract
    }

    pub fn keyring(&self) -> &Keyring {
        &self.shared.keyring
    }

    /// The number of the newest arrival, 0 before the first.
    pub fn newest(&self) -> u64 {
        *self.shared.newest.borrow()
    }

    /// Waits for a request that fits and came after the one with the number `after`.
    pub async fn arrival(&self, after: u64, fits: impl Fn(&Arrival) -> bool) -> Arc<Arrival> {
        let mut newest = self.shared.newest.subscribe();
        loop {
            newest.borrow_and_update();
            let arrivals = self.shared.arrivals();
            if let Some(found) = arrivals.into_iter().rev().find(|one| one.number > after && fits(one)) {
                return found;
            }
            if newest.changed().await.is_err() {
                // The sender lives as long as `self`.
                std::future::pending::<()>().await;
            }
        }
    }

    /// Takes nothing more.
    pub fn stop(self) {
        self.task.abort();
    }
}

impl Shared {
    /// What is kept, the newest first.
    fn arrivals(&self) -> Vec<Arc<Arrival>> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner).arrivals.iter().rev().cloned().collect()
    }

    fn keep(&self, mut arrival: Arrival) {
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        held.count += 1;
        arrival.number = held.count;
        held.bytes += arrival.body.len();
        held.arrivals.push_back(Arc::new(arrival));
        while held.arrivals.len() > MOST || held.bytes > MOST_BYTES {
            let Some(oldest) = held.arrivals.pop_front() else { break };
            held.bytes -= oldest.body.len();
        }
        self.newest.send_replace(held.count);
    }
}

impl Arrival {
    /// What a header said.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    /// In UTC, for people and programs; always with milliseconds, so that a column of them lines up.
    pub fn time(&self) -> String {
        let time = OffsetDateTime::from_unix_timestamp_nanos(i128::from(self.wall_ms) * 1_000_000).ok();
        time.and_then(|time| time.format(TIME).ok()).unwrap_or_default()
    }

    fn json(&self) -> Value {
        let (verified, about) = match &self.verdict {
            Verdict::Verified(means) => (Value::Bool(true), *means),
            Verdict::Failed(reason) => (Value::Bool(false), reason.as_str()),
            Verdict::Unchecked(reason) => (Value::Null, reason.as_str()),
        };
        json!({
            "number": self.number,
            "contract": self.contract,
            "receivedAt": self.time(),
            "verified": verified,
            "verification": about,
            "headers": self.headers,
            "body": self.body,
            "bodyBytes": self.body_bytes,
            "bodyCut": self.cut,
        })
    }
}

fn router(shared: Arc<Shared>) -> Router {
    Router::new()
        .route("/", get(overview))
        .route("/requests.json", get(requests))
        .route("/{contract}", post(receive))
        .layer(from_fn_with_state(shared.clone(), guard))
        .with_state(shared)
}

/// Refuses requests under other names and those that another site's page makes, and says to browsers
/// what the answers may do: nothing.
async fn guard(State(shared): State<Arc<Shared>>, request: Request, next: Next) -> Response {
    let mut response = match refusal(&shared, &request) {
        Some((status, reason)) => (status, reason).into_response(),
        None => next.run(request).await,
    };
    let headers = response.headers_mut();
    let fixed = [
        (CONTENT_SECURITY_POLICY, POLICY),
        (X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (REFERRER_POLICY, "no-referrer"),
        (CACHE_CONTROL, "no-store"),
        (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
    ];
    for (name, value) in fixed {
        headers.insert(name, HeaderValue::from_static(value));
    }
    response
}

fn refusal(shared: &Shared, request: &Request) -> Option<(StatusCode, String)> {
    let port = shared.port;
    let hosts: Vec<_> = request.headers().get_all(HOST).iter().collect();
    let own = [format!("127.0.0.1:{port}"), format!("localhost:{port}")];
    let is_own = |host: &HeaderValue| own.iter().any(|name| host.as_bytes().eq_ignore_ascii_case(name.as_bytes()));
    if hosts.len() != 1 || !is_own(hosts[0]) {
        let reason = format!("This inbox answers only as {} or {}.\n", own[0], own[1]);
        return Some((StatusCode::MISDIRECTED_REQUEST, reason));
    }
    // Only browsers send it. Following a link here is fine, posting from elsewhere is not.
    let from_elsewhere = request.headers().get("sec-fetch-site").is_some_and(|site| {
        let site = site.as_bytes();
        site != b"none" && site != b"same-origin"
    });
    if from_elsewhere && request.method() != Method::GET {
        return Some((StatusCode::FORBIDDEN, "This inbox takes nothing from other sites' pages.\n".to_owned()));
    }
    None
}

async fn overview(State(shared): State<Arc<Shared>>) -> Response {
    let html = page::render(&shared.arrivals());
    ([(CONTENT_TYPE, "text/html; charset=utf-8")], html).into_response()
}

async fn requests(State(shared): State<Arc<Shared>>) -> Json<Vec<Value>> {
    Json(shared.arrivals().iter().map(|arrival| arrival.json()).collect())
}

async fn receive(State(shared): State<Arc<Shared>>, Path(contract): Path<String>, request: Request) -> Response {
    let (at, wall_ms) = (Instant::now(), shared.clock.wall_ms());
    let named = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
    if contract.len() > LONGEST_NAME || !contract.chars().all(named) {
        return (StatusCode::NOT_FOUND, "Post to /CONTRACT, such as /standard.\n").into_response();
    }
    let (head, body) = request.into_parts();
    let body = match whole(body).await {
        Ok(body) => body,
        Err(refused) => return refused,
    };
    let secrets = shared.keyring.secrets(&contract, wall_ms);
    let verdict = judge(&contract, &Received { headers: &head.headers, body: &body, now_ms: wall_ms }, &secrets);
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    shared.keep(Arrival {
        number: 0,
        contract,
        wall_ms,
        at,
        headers: head.headers.iter().map(|(name, value)| (name.to_string(), text(value.as_bytes()))).collect(),
        body: text(&body[..shown(&body)]),
        body_bytes: body.len(),
        cut: body.len() > SHOWN,
        verdict,
    });
    // An empty 200 is what every contract takes as delivered.
    StatusCode::OK.into_response()
}

async fn whole(body: Body) -> Result<bytes::Bytes, Response> {
    let too_long = || format!("The inbox reads bodies of at most {} MiB.\n", LONGEST_BODY >> 20);
    to_bytes(body, LONGEST_BODY).await.map_err(|_| (StatusCode::PAYLOAD_TOO_LARGE, too_long()).into_response())
}

/// How much of a body is kept: up to the limit, and no part of a character.
fn shown(body: &[u8]) -> usize {
    if body.len() <= SHOWN {
        return body.len();
    }
    let continues = |byte: &u8| byte & 0b1100_0000 == 0b1000_0000;
    (SHOWN - 3..=SHOWN).rev().find(|end| !continues(&body[*end])).unwrap_or(SHOWN)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_body_is_cut_between_characters() {
        assert_eq!(shown(b"abc"), 3);
        assert_eq!(shown(&vec![b'a'; SHOWN + 1]), SHOWN);
        let text = format!("a{}", "🚀".repeat(SHOWN / 4 + 1));
        assert_eq!(shown(text.as_bytes()), SHOWN - 3);
        assert!(text.is_char_boundary(SHOWN - 3));
    }

    #[tokio::test]
    async fn the_oldest_go_first() {
        let inbox = Inbox::start(Clock::manual(0)).await.unwrap();
        for _ in 0..MOST + 5 {
            inbox.shared.keep(Arrival {
                number: 0,
                contract: "standard".into(),
                wall_ms: 0,
                at: Instant::now(),
                headers: vec![],
                body: "a".repeat(SHOWN),
                body_bytes: SHOWN,
                cut: false,
                verdict: Verdict::Failed("no".into()),
            });
        }
        let kept = inbox.shared.arrivals();
        assert_eq!(kept.len(), MOST_BYTES / SHOWN);
        assert_eq!(kept[0].number, MOST as u64 + 5);
        assert_eq!(inbox.newest(), MOST as u64 + 5);
        inbox.stop();
    }
}
