//! A small HTTP client for the commands that speak to a server.

use clap::Args;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use std::time::Duration;
use thiserror::Error;
use ureq::http::{Request, Response, StatusCode};
use ureq::tls::{RootCerts, TlsConfig};
use ureq::{Agent, Body};
use url::Url;

/// How long a server may take to answer.
pub const PATIENCE: Duration = Duration::from_secs(30);
/// The largest answer that is read: a page of 250 messages of a MiB, and some.
pub const LARGEST_ANSWER: u64 = 512 << 20;

/// Which server, and who asks.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "Server")]
pub struct ServerArgs {
    /// Where the server is
    #[arg(long, env = "POSTRIDER_URL", value_name = "URL", default_value = "http://127.0.0.1:8071")]
    pub url: Url,
    /// API key; without it the one in POSTRIDER_API_KEY
    #[arg(long, env = "POSTRIDER_TOKEN", value_name = "KEY", hide_env_values = true)]
    pub token: Option<String>,
    /// Print the API's answer as it came, in JSON
    #[arg(long)]
    pub json: bool,
}

/// Why a call did not work, in words for the person at the terminal.
#[derive(Debug, Error)]
pub enum ClientError {
    #[error("{0} is not the URL of a server; give one such as http://127.0.0.1:8071")]
    Url(Url),
    #[error("no API key to call {0} with; set POSTRIDER_TOKEN to one, or give --token")]
    NoToken(Url),
    #[error(
        "no server answers at {url} ({reason}); start one with `postrider dev` or `postrider serve`, or \
         say where it is with --url or POSTRIDER_URL"
    )]
    NoServer { url: Url, reason: String },
    #[error("{url} did not work out: {reason}")]
    Transport { url: Url, reason: String },
    #[error("{0} does not know this API key; set POSTRIDER_TOKEN to one that it knows, or give --token")]
    Unauthorized(Url),
    #[error("the request is not right:\n{}", .0.join("\n"))]
    Invalid(Vec<String>),
    #[error("{detail} ({status}, {code})")]
    Refused { status: u16, code: String, detail: String },
    #[error("{url} is not a Postrider server, or not of this version: it answered {status} with {reason}")]
    Strange { url: Url, status: u16, reason: String },
}

/// Speaks to one server.
#[derive(Debug)]
pub struct Client {
    url: Url,
    token: String,
    agent: Agent,
}

/// What calls servers. Every status is an answer, and those are trusted whom the machine trusts.
pub fn agent() -> Agent {
    let tls = TlsConfig::builder().root_certs(RootCerts::PlatformVerifier).build();
    let config = Agent::config_builder().timeout_global(Some(PATIENCE)).http_status_as_error(false).tls_config(tls);
    config.build().into()
}

/// `{server}/api/v1/{path}?{query}`; `None` for a URL that can have no path. A path's parts may hold anything, so
/// they are escaped.
pub fn api_url(server: &Url, path: &[&str], query: &[(&str, &str)]) -> Option<Url> {
    let mut url = server.clone();
    url.set_query(None);
    url.path_segments_mut().ok()?.pop_if_empty().extend(["api", "v1"]).extend(path);
    if !query.is_empty() {
        url.query_pairs_mut().extend_pairs(query);
    }
    Some(url)
}

/// A body that may be one of an error.
#[derive(Deserialize)]
#[serde(untagged)]
enum ErrorBody {
    Plain { code: String, detail: String },
    Invalid { detail: Vec<WrongField> },
}

#[derive(Deserialize)]
struct WrongField {
    loc: Vec<String>,
    msg: String,
}

impl Client {
    /// Calls nobody yet.
    pub fn new(args: &ServerArgs) -> Result<Client, ClientError> {
        if !matches!(args.url.scheme(), "http" | "https") || !args.url.has_host() {
            return Err(ClientError::Url(args.url.clone()));
        }
        let fallback = || std::env::var("POSTRIDER_API_KEY").ok();
        let given = args.token.clone().filter(|token| !token.is_empty()).or_else(fallback);
        let token = given.filter(|token| !token.is_empty()).ok_or_else(|| ClientError::NoToken(args.url.clone()))?;
        Ok(Client { url: args.url.clone(), token, agent: agent() })
    }

    /// The answer's text to `GET /api/v1/{path}?{query}`.
    pub fn get(&self, path: &[&str], query: &[(&str, &str)]) -> Result<String, ClientError> {
        self.call("GET", path, query, &[], String::new())
    }

    /// The answer's text to `POST /api/v1/{path}` with a JSON body.
    pub fn post(&self, path: &[&str], headers: &[(&str, &str)], body: String) -> Result<String, ClientError> {
        self.call("POST", path, &[], headers, body)
    }

    /// The answer's text to `PUT /api/v1/{path}` with a JSON body.
    pub fn put(&self, path: &[&str], body: String) -> Result<String, ClientError> {
        self.call("PUT", path, &[], &[], body)
    }

    /// The answer's text to `PATCH /api/v1/{path}` with a JSON body.
    pub fn patch(&self, path: &[&str], body: String) -> Result<String, ClientError> {
        self.call("PATCH", path, &[], &[], body)
    }

    /// The answer's text to `DELETE /api/v1/{path}`.
    pub fn delete(&self, path: &[&str]) -> Result<String, ClientError> {
        self.call("DELETE", path, &[], &[], String::new())
    }

    /// An answer's text as what it should be.
    pub fn read<T: DeserializeOwned>(&self, text: &str) -> Result<T, ClientError> {
        serde_json::from_str(text).map_err(|error| self.strange(StatusCode::OK, error.to_string()))
    }

    fn call(
        &self,
        method: &str,
        path: &[&str],
        query: &[(&str, &str)],
        headers: &[(&str, &str)],
        body: String,
    ) -> Result<String, ClientError> {
        let address = api_url(&self.url, path, query).ok_or_else(|| ClientError::Url(self.url.clone()))?;
        let mut request = Request::builder()
            .method(method)
            .uri(address.as_str())
            .header("authorization", format!("Bearer {}", self.token));
        if !body.is_empty() {
            request = request.header("content-type", "application/json");
        }
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let request = request.body(body).map_err(|error| self.transport(error.to_string()))?;
        let mut response: Response<Body> = self.agent.run(request).map_err(|error| self.unanswered(error))?;
        let status = response.status();
        let text = response.body_mut().with_config().limit(LARGEST_ANSWER).read_to_string();
        let text = text.map_err(|error| self.transport(error.to_string()))?;
        if status.is_success() { Ok(text) } else { Err(self.refused(status, &text)) }
    }

    fn unanswered(&self, error: ureq::Error) -> ClientError {
        let url = self.url.clone();
        let no_server = |reason: String| ClientError::NoServer { url: self.url.clone(), reason };
        match error {
            ureq::Error::ConnectionFailed => no_server("connection refused".to_owned()),
            ureq::Error::HostNotFound => no_server("there is no such host".to_owned()),
            ureq::Error::Io(error) if error.kind() == std::io::ErrorKind::ConnectionRefused => {
                no_server("connection refused".to_owned())
            }
            ureq::Error::Timeout(_) => no_server(format!("nothing came in {} seconds", PATIENCE.as_secs())),
            error => ClientError::Transport { url, reason: error.to_string() },
        }
    }

    fn refused(&self, status: StatusCode, text: &str) -> ClientError {
        if status == StatusCode::UNAUTHORIZED {
            return ClientError::Unauthorized(self.url.clone());
        }
        match serde_json::from_str(text) {
            Ok(ErrorBody::Plain { code, detail }) => ClientError::Refused { status: status.as_u16(), code, detail },
            Ok(ErrorBody::Invalid { detail }) => ClientError::Invalid(detail.iter().map(WrongField::line).collect()),
            Err(_) => self.strange(status, "what is no error of its API".to_owned()),
        }
    }

    fn strange(&self, status: StatusCode, reason: String) -> ClientError {
        ClientError::Strange { url: self.url.clone(), status: status.as_u16(), reason }
    }

    fn transport(&self, reason: String) -> ClientError {
        ClientError::Transport { url: self.url.clone(), reason }
    }
}

impl WrongField {
    /// `  payload.amount: what is wrong`, without the `body` that every place starts with.
    fn line(&self) -> String {
        let inside = match self.loc.split_first() {
            Some((first, rest)) if first == "body" || first == "query" => rest,
            _ => &self.loc[..],
        };
        let place = inside.join(".");
        if place.is_empty() { format!("  {}", self.msg) } else { format!("  {place}: {}", self.msg) }
    }
}
