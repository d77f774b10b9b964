//! The generator: tasks with one connection each that post what a recipe makes.

use crate::board::Board;
use crate::client::{Client, Reply};
use crate::clock::now_ns;
use crate::failure::Failure;
use crate::recipe::Recipe;
use http::StatusCode;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;
use tokio::time::Instant;

/// How long to wait before a message is posted again.
const PAUSE: Duration = Duration::from_millis(20);
/// How long after the end of the phase a message is still posted again.
const GIVE_UP_AFTER: Duration = Duration::from_secs(30);

/// When the next message goes out.
#[derive(Clone, Copy, Debug)]
pub enum Pace {
    /// When the last one on its connection is answered.
    Closed,
    /// So many a second, answered or not.
    Open(u64),
}

/// A load to run.
#[derive(Debug)]
pub struct Load {
    /// The connections are spread over them.
    pub addresses: Vec<SocketAddr>,
    pub recipe: Recipe,
    pub board: Arc<Board>,
    pub connections: u32,
    pub pace: Pace,
    /// Without: until the board is full.
    pub lasts: Option<Duration>,
}

/// What happened besides acceptance, which the board knows.
#[derive(Clone, Copy, Debug, Default)]
pub struct Trouble {
    /// Answers 429 and 503.
    pub refused: u64,
    /// Posts that ended in a broken connection or another 5xx.
    pub broken: u64,
    /// Messages that were not accepted in the end.
    pub given_up: u64,
}

struct Shared {
    load: Load,
    next: AtomicU64,
    start: Instant,
    deadline: Option<Instant>,
}

impl Load {
    /// Posts until the time is over or the board is full, and every message is answered.
    pub async fn run(self) -> Result<Trouble, Failure> {
        let start = Instant::now();
        let deadline = self.lasts.map(|lasts| start + lasts);
        let connections = self.connections;
        let shared = Arc::new(Shared { load: self, next: AtomicU64::new(0), start, deadline });
        let mut tasks = tokio::task::JoinSet::new();
        for n in 0..connections {
            tasks.spawn(post_all(shared.clone(), n));
        }
        let mut sum = Trouble::default();
        // The first failure ends the load: dropping the set aborts the others.
        while let Some(done) = tasks.join_next().await {
            let trouble = done.map_err(|error| Failure::Io(error.into()))??;
            sum.refused += trouble.refused;
            sum.broken += trouble.broken;
            sum.given_up += trouble.given_up;
        }
        Ok(sum)
    }
}

async fn post_all(shared: Arc<Shared>, n: u32) -> Result<Trouble, Failure> {
    let mut client = Client::new(shared.load.addresses[n as usize % shared.load.addresses.len()]);
    let mut trouble = Trouble::default();
    match shared.load.pace {
        Pace::Closed => loop {
            let seq = shared.next.fetch_add(shared.load.recipe.messages(), Relaxed);
            if seq + shared.load.recipe.messages() > shared.load.board.capacity()
                || shared.deadline.is_some_and(|end| Instant::now() >= end)
            {
                return Ok(trouble);
            }
            shared.load.board.posted(seq, now_ns());
            post(&shared, &mut client, seq, &mut trouble).await?;
        },
        // Each connection has its own share of the numbers, so none waits for another.
        Pace::Open(rate) => {
            for seq in (u64::from(n)..shared.load.board.capacity()).step_by(shared.load.connections as usize) {
                let due = shared.start + Duration::from_nanos(seq.saturating_mul(1_000_000_000) / rate);
                if shared.deadline.is_some_and(|end| due >= end) {
                    break;
                }
                // A message that its connection is late for counts from when it was due; one that
                // is on time from when the timer really fired.
                let late = u64::try_from(due.elapsed().as_nanos()).unwrap_or(u64::MAX);
                tokio::time::sleep_until(due).await;
                shared.load.board.posted(seq, now_ns().saturating_sub(late));
                post(&shared, &mut client, seq, &mut trouble).await?;
            }
            Ok(trouble)
        }
    }
}

/// Posts the messages of one request until they are accepted.
async fn post(shared: &Shared, client: &mut Client, seq: u64, trouble: &mut Trouble) -> Result<(), Failure> {
    let load = &shared.load;
    loop {
        let failure = match client.send(load.recipe.request(seq)?).await {
            Ok(reply) if reply.status.is_success() => {
                all_accepted(&load.recipe, &reply)?;
                let now = now_ns();
                (seq..seq + load.recipe.messages()).for_each(|seq| load.board.accepted(seq, now));
                return Ok(());
            }
            Ok(reply) => {
                let status = reply.status;
                match status {
                    StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE => trouble.refused += 1,
                    _ => trouble.broken += 1,
                }
                let body = String::from_utf8_lossy(&reply.body).into_owned();
                let failure = Failure::Refused { what: "a message".to_owned(), status: status.as_u16(), body };
                // Nothing gets better by repeating what is wrong.
                if status.is_client_error() && status != StatusCode::TOO_MANY_REQUESTS {
                    return Err(failure);
                }
                failure
            }
            Err(failure) => {
                trouble.broken += 1;
                failure
            }
        };
        if shared.deadline.is_some_and(|end| Instant::now() >= end + GIVE_UP_AFTER) {
            trouble.given_up += 1;
            return Ok(());
        }
        // A server that never took anything is not there at all.
        if load.board.accepted_count() == 0 && shared.start.elapsed() > GIVE_UP_AFTER {
            return Err(failure);
        }
        tokio::time::sleep(PAUSE).await;
    }
}

/// In a batch each message has an answer of its own.
fn all_accepted(recipe: &Recipe, reply: &Reply) -> Result<(), Failure> {
    let accepted = || String::from_utf8_lossy(&reply.body).matches(r#""status":202"#).count() as u64;
    if recipe.messages() == 1 || accepted() == recipe.messages() {
        return Ok(());
    }
    let body = String::from_utf8_lossy(&reply.body).into_owned();
    Err(Failure::Refused { what: "a message of a batch".to_owned(), status: reply.status.as_u16(), body })
}
