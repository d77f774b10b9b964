//! Where it comes from: a Svix server, or another Postrider. It is only read.
//!
//! A long run meets limits and restarts of the source. So a source that is busy is asked again, after as long as it
//! says, and a bounded number of times.

use super::records::{EventType, Headers, Record};
use crate::client::{LARGEST_ANSWER, PATIENCE, agent, api_url};
use crate::table::one_line;
use indicatif::ProgressBar;
use postrider_store::Secret;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use std::io::ErrorKind;
use std::time::Duration;
use thiserror::Error;
use ureq::Agent;
use ureq::http::{HeaderMap, Request};
use url::Url;

/// The most that Svix gives at once.
const PAGE: &str = "250";
/// How often one thing is asked for.
const TRIES: u32 = 8;
/// How long to wait for a source that does not say, at most; it begins with a second and doubles.
const LONGEST_GUESS: Duration = Duration::from_secs(30);
/// How long to wait for a source that says, at most.
const LONGEST_WAIT: Duration = Duration::from_secs(300);
/// How a connection ends that had begun well: the next may not.
const BROKEN: [ErrorKind; 4] =
    [ErrorKind::ConnectionReset, ErrorKind::ConnectionAborted, ErrorKind::BrokenPipe, ErrorKind::UnexpectedEof];

/// Why the source could not be read, in words for the person at the terminal.
#[derive(Debug, Error)]
pub enum SourceError {
    #[error("{0} is not the URL of a server; give with --from one such as https://api.eu.svix.com")]
    Url(Url),
    #[error("no server answers at {server} ({reason}); say with --from where Svix is, such as https://api.eu.svix.com")]
    NoServer { server: String, reason: String },
    #[error("{server} did not work out: {reason}")]
    Transport { server: String, reason: String },
    #[error(
        "{0} does not know this token; give one that it knows with --token or SVIX_AUTH_TOKEN. A token of Svix is \
         good in its own region only"
    )]
    Unauthorized(String),
    #[error("{server} does not show everything to this token ({reason}); give one that may read all, secrets too")]
    Forbidden { server: String, reason: String },
    #[error("{server} was busy {} times in a row ({reason}); try again later", TRIES)]
    Busy { server: String, reason: String, wait: Option<Duration> },
    #[error(
        "{server} does not answer {path} as Svix does ({reason}); --from is the URL of a Svix server or a Postrider, \
         without /api/v1"
    )]
    Strange { server: String, path: String, reason: String },
}

/// Reads one server.
#[derive(Debug)]
pub struct Source {
    url: Url,
    token: Secret,
    agent: Agent,
    /// Where it says that it waits, and how much it found.
    bar: ProgressBar,
}

#[derive(Deserialize)]
struct Page<T> {
    data: Vec<T>,
    done: bool,
    iterator: Option<String>,
}

#[derive(Deserialize)]
struct SecretOut {
    key: String,
}

#[derive(Deserialize)]
struct ErrorOut {
    detail: String,
}

impl Source {
    /// Calls nobody yet.
    pub fn new(url: &Url, token: &str, bar: ProgressBar) -> Result<Source, SourceError> {
        if !matches!(url.scheme(), "http" | "https") || !url.has_host() {
            return Err(SourceError::Url(url.clone()));
        }
        Ok(Source { url: url.clone(), token: Secret::new(token), agent: agent(), bar })
    }

    /// Archived ones too: endpoints may still name them.
    pub fn event_types(&self) -> Result<Vec<EventType>, SourceError> {
        let all = self.all(&["event-type"], &[("include_archived", "true"), ("with_content", "true")], true)?;
        Ok(all.into_iter().map(EventType::settled).collect())
    }

    pub fn applications(&self) -> Result<Vec<Record>, SourceError> {
        self.all(&["app"], &[], true)
    }

    pub fn endpoints(&self, app: &str) -> Result<Vec<Record>, SourceError> {
        self.all(&["app", app, "endpoint"], &[], false)
    }

    pub fn headers(&self, app: &str, endpoint: &str) -> Result<Headers, SourceError> {
        self.get(&["app", app, "endpoint", endpoint, "headers"], &[])
    }

    /// `None`: it has none, as with some contracts of a Postrider.
    pub fn secret(&self, app: &str, endpoint: &str) -> Result<Option<Secret>, SourceError> {
        let secret: SecretOut = self.get(&["app", app, "endpoint", endpoint, "secret"], &[])?;
        Ok(Some(secret.key).filter(|key| !key.is_empty()).map(Secret::new))
    }

    /// Every page of a listing. What is made meanwhile comes last, and so is not missed.
    fn all<T: DeserializeOwned>(
        &self,
        path: &[&str],
        more: &[(&str, &str)],
        is_counted: bool,
    ) -> Result<Vec<T>, SourceError> {
        let mut all = Vec::new();
        let mut iterator: Option<String> = None;
        loop {
            let page: Page<T> = self.page(path, more, iterator.as_deref())?;
            all.extend(page.data);
            if is_counted {
                self.bar.set_position(all.len() as u64);
            }
            match page.iterator {
                _ if page.done => return Ok(all),
                Some(next) if iterator.as_ref() != Some(&next) => iterator = Some(next),
                _ => return Err(self.endless(path)),
            }
        }
    }

    /// Asked again, it would give the same page for ever.
    fn endless(&self, path: &[&str]) -> SourceError {
        let reason = "there is more, and it does not say how to get it";
        self.strange(&format!("/api/v1/{}", path.join("/")), reason.to_owned())
    }

    fn page<T: DeserializeOwned>(
        &self,
        path: &[&str],
        more: &[(&str, &str)],
        iterator: Option<&str>,
    ) -> Result<Page<T>, SourceError> {
        let mut query = vec![("limit", PAGE), ("order", "ascending")];
        query.extend(more);
        query.extend(iterator.map(|from| ("iterator", from)));
        self.get(path, &query)
    }

    fn get<T: DeserializeOwned>(&self, path: &[&str], query: &[(&str, &str)]) -> Result<T, SourceError> {
        let url = api_url(&self.url, path, query).ok_or_else(|| SourceError::Url(self.url.clone()))?;
        let text = self.ask_patiently(&url)?;
        // What is wrong with it is not repeated: it may hold a secret.
        serde_json::from_str(&text).map_err(|_| self.strange(url.path(), "the answer has another shape".to_owned()))
    }

    fn ask_patiently(&self, url: &Url) -> Result<String, SourceError> {
        let mut tries = 1;
        loop {
            match self.ask(url) {
                Err(SourceError::Busy { wait, .. }) if tries < TRIES => {
                    self.sleep(wait.unwrap_or_else(|| guess(tries)));
                    tries += 1;
                }
                answered => return answered,
            }
        }
    }

    fn ask(&self, url: &Url) -> Result<String, SourceError> {
        let request = Request::get(url.as_str()).header("authorization", format!("Bearer {}", self.token.reveal()));
        let request = request.body(()).map_err(|error| self.transport(error.to_string()))?;
        let mut response = self.agent.run(request).map_err(|error| self.unanswered(error))?;
        let (status, wait) = (response.status().as_u16(), wait(response.headers()));
        let text = response.body_mut().with_config().limit(LARGEST_ANSWER).read_to_string();
        let text = text.map_err(|error| self.unanswered(error))?;
        match status {
            200..=299 => Ok(text),
            401 => Err(SourceError::Unauthorized(self.url.to_string())),
            403 => Err(SourceError::Forbidden { server: self.url.to_string(), reason: detail(&text) }),
            // 501 does not pass: it has no such thing.
            429 | 500 | 502..=599 => Err(self.busy(format!("it answered {status}"), wait)),
            _ => Err(self.strange(url.path(), format!("{status}, {}", detail(&text)))),
        }
    }

    fn sleep(&self, wait: Duration) {
        let wait = wait.min(LONGEST_WAIT);
        self.bar.set_message(format!(", waiting {} seconds for the source", wait.as_secs()));
        std::thread::sleep(wait);
        self.bar.set_message("");
    }

    fn unanswered(&self, error: ureq::Error) -> SourceError {
        let no_server = |reason: String| SourceError::NoServer { server: self.url.to_string(), reason };
        match error {
            ureq::Error::ConnectionFailed => no_server("connection refused".to_owned()),
            ureq::Error::HostNotFound => no_server("there is no such host".to_owned()),
            ureq::Error::Io(error) if error.kind() == ErrorKind::ConnectionRefused => {
                no_server("connection refused".to_owned())
            }
            ureq::Error::Io(error) if BROKEN.contains(&error.kind()) => self.busy(error.to_string(), None),
            ureq::Error::Timeout(_) => no_server(format!("nothing came in {} seconds", PATIENCE.as_secs())),
            error => self.transport(error.to_string()),
        }
    }

    fn busy(&self, reason: String, wait: Option<Duration>) -> SourceError {
        SourceError::Busy { server: self.url.to_string(), reason, wait }
    }

    fn transport(&self, reason: String) -> SourceError {
        SourceError::Transport { server: self.url.to_string(), reason }
    }

    fn strange(&self, path: &str, reason: String) -> SourceError {
        SourceError::Strange { server: self.url.to_string(), path: path.to_owned(), reason }
    }
}

/// What `Retry-After` says. As a date it is taken for nothing: by whose clock would that be?
fn wait(headers: &HeaderMap) -> Option<Duration> {
    headers.get("retry-after")?.to_str().ok()?.trim().parse().ok().map(Duration::from_secs)
}

fn guess(tries: u32) -> Duration {
    LONGEST_GUESS.min(Duration::from_secs(1 << (tries - 1)))
}

/// What an error's body says.
fn detail(text: &str) -> String {
    let said = serde_json::from_str(text).map(|error: ErrorOut| one_line(&error.detail));
    said.unwrap_or_else(|_| "without a word".to_owned())
}
