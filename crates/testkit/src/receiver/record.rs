//! What came, and what is answered to it.

use super::answer::Answer;
use super::received::{ID, Received};
use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Request, Response};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Instant;
use tokio::sync::watch;
use tokio::time::sleep;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Keep {
    Everything,
    Counts,
}

#[derive(Debug)]
pub(super) struct Shared {
    pub(super) keep: Keep,
    pub(super) state: Mutex<State>,
    pub(super) arrivals: watch::Sender<()>,
}

#[derive(Debug, Default)]
pub(super) struct State {
    pub(super) all: Vec<Received>,
    pub(super) paths: HashMap<String, PathRecord>,
}

#[derive(Debug, Default)]
pub(super) struct PathRecord {
    pub(super) count: usize,
    /// Which of `State::all`.
    pub(super) places: Vec<usize>,
    pub(super) ids: HashMap<String, usize>,
    pub(super) answers: Vec<Answer>,
    pub(super) next: usize,
    pub(super) capacity: Option<Capacity>,
    /// Held while one request is answered, where others wait for it.
    pub(super) turn: Option<Turn>,
}

/// What a path takes in each second; it answers 503 to the rest.
#[derive(Debug)]
pub(super) struct Capacity {
    pub(super) per_second: u32,
    pub(super) since: Instant,
    pub(super) taken: u32,
    pub(super) refused: usize,
}

type Turn = Arc<tokio::sync::Mutex<()>>;

impl Capacity {
    fn takes_one_more(&mut self) -> bool {
        if self.since.elapsed().as_secs() >= 1 {
            (self.since, self.taken) = (Instant::now(), 0);
        }
        let takes = self.taken < self.per_second;
        self.taken += u32::from(takes);
        self.refused += usize::from(!takes);
        takes
    }
}

impl State {
    pub(super) fn path(&mut self, path: &str) -> &mut PathRecord {
        // Not `entry`: it would want a new string for every request.
        if !self.paths.contains_key(path) {
            self.paths.insert(path.to_owned(), PathRecord::default());
        }
        self.paths.get_mut(path).unwrap()
    }
}

impl Shared {
    pub(super) async fn take(&self, request: Request<Incoming>) -> Result<Response<Full<Bytes>>, hyper::Error> {
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
        let (answer, turn) = self.record(head.uri.path(), head.headers.get(ID), received);
        let _turn = match &turn {
            Some(turn) => Some(turn.lock().await),
            None => None,
        };
        if !answer.delay.is_zero() {
            sleep(answer.delay).await;
        }
        Ok(answer.response())
    }

    /// Recording a request and choosing its answer are one step, so that the order of the one is the
    /// order of the other.
    fn record(&self, path: &str, id: Option<&HeaderValue>, received: Option<Received>) -> (Answer, Option<Turn>) {
        let mut state = self.state.lock().unwrap();
        let place = state.all.len();
        let record = state.path(path);
        record.count += 1;
        if let Some(id) = id {
            *record.ids.entry(lossy(id)).or_default() += 1;
        }
        let takes = record.capacity.as_mut().is_none_or(Capacity::takes_one_more);
        let answer =
            if takes { record.answers.get(record.next).cloned().unwrap_or_default() } else { Answer::status(503) };
        if takes {
            record.next = (record.next + 1).min(record.answers.len().saturating_sub(1));
        }
        let turn = record.turn.clone();
        if let Some(received) = received {
            record.places.push(place);
            state.all.push(received);
        }
        drop(state);
        self.arrivals.send_replace(());
        (answer, turn)
    }
}

fn listed(headers: &HeaderMap) -> Vec<(String, String)> {
    headers.iter().map(|(name, value)| (name.as_str().to_owned(), lossy(value))).collect()
}

fn lossy(value: &HeaderValue) -> String {
    String::from_utf8_lossy(value.as_bytes()).into_owned()
}
