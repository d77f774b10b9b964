//! Postrider itself, started in a test, and a client that speaks to it as a provider would.

use crate::database;
use postrider::Server;
use postrider::config::{self, Config, GraphQlConfig, MailConfig};
use postrider_clock::Clock;
use postrider_egress::ProxySettings;
use reqwest::Method;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// The API key of every test server.
pub const KEY: &str = "test-key-of-the-test-kit";
/// How long a test waits for something that is to happen.
pub const PATIENCE: Duration = Duration::from_secs(20);

/// How to start.
#[derive(Debug)]
pub struct Start {
    pub clock: Clock,
    pub allow: Vec<&'static str>,
    pub relax_contracts: bool,
    pub contracts: Option<PathBuf>,
    pub dns: Option<SocketAddr>,
    pub ca_file: Option<PathBuf>,
    pub connection_seconds: u64,
    pub proxy: ProxySettings,
    /// The URL of a GraphQL API for payload queries, which is asked with the token `graphql-token`.
    pub graphql: Option<String>,
    pub mail: Option<MailConfig>,
    /// Where the data lies; kept when the server ends.
    pub dir: Option<TempDir>,
}

impl Default for Start {
    /// The machine's clock, loopback open, contracts relaxed, a fresh directory.
    fn default() -> Start {
        Start {
            clock: Clock::system(),
            allow: vec!["127.0.0.0/8"],
            relax_contracts: true,
            contracts: None,
            dns: None,
            ca_file: None,
            connection_seconds: config::CONNECTION_SECONDS,
            proxy: ProxySettings::default(),
            graphql: None,
            mail: None,
            dir: None,
        }
    }
}

/// A running server with its own data.
#[derive(Debug)]
pub struct App {
    pub client: Client,
    pub dir: TempDir,
    server: Server,
}

impl App {
    pub async fn start() -> App {
        Start::default().start().await
    }

    /// Ends the server as SIGTERM does, and gives back its data.
    pub async fn stop(self) -> TempDir {
        self.server.drain().await;
        self.dir
    }
}

impl std::ops::Deref for App {
    type Target = Client;

    fn deref(&self) -> &Client {
        &self.client
    }
}

impl Start {
    pub async fn start(self) -> App {
        let dir = self.dir.unwrap_or_else(|| TempDir::new().unwrap());
        let config = Config {
            listen: SocketAddr::from(([127, 0, 0, 1], 0)),
            database: database::of(dir.path()),
            data: dir.path().to_owned(),
            allow_networks: self.allow.iter().map(|net| net.parse().unwrap()).collect(),
            public_url: None,
            relax_contracts: self.relax_contracts,
            max_connections: config::MAX_CONNECTIONS,
            drain_seconds: config::DRAIN_SECONDS,
            default_contract: "standard".to_owned(),
            contracts: self.contracts,
            dns: self.dns,
            ca_file: self.ca_file,
            connection_seconds: self.connection_seconds,
            proxy: self.proxy,
            graphql: self.graphql.map(graphql),
            mail: self.mail,
            retention: postrider_store::Retention::default(),
            contract_settings: BTreeMap::new(),
        };
        let server = Server::start(config, [7; 32], Some(KEY.to_owned()), self.clock).await.unwrap();
        App { client: Client::new(&format!("http://{}", server.address), KEY), dir, server }
    }
}

fn graphql(url: String) -> GraphQlConfig {
    GraphQlConfig { url, token: Some("graphql-token".to_owned()), dns: None, ca_file: None }
}

/// An answer of the API.
#[derive(Clone, Debug)]
pub struct Reply {
    pub status: u16,
    pub headers: BTreeMap<String, String>,
    /// `null` when there was no body, a text when it was not JSON.
    pub body: Value,
}

impl Reply {
    /// The body, if the status is this.
    pub fn expect(self, status: u16) -> Value {
        assert_eq!(self.status, status, "{}", self.body);
        self.body
    }
}

/// A provider's client.
#[derive(Clone, Debug)]
pub struct Client {
    pub url: String,
    pub key: String,
    http: reqwest::Client,
}

impl Client {
    pub fn new(url: &str, key: &str) -> Client {
        Client { url: url.to_owned(), key: key.to_owned(), http: reqwest::Client::new() }
    }

    /// The same server, with another key or token.
    pub fn with_key(&self, key: &str) -> Client {
        Client { key: key.to_owned(), ..self.clone() }
    }

    /// Any request; `body` is sent as it is.
    pub async fn request(&self, method: &str, path: &str, headers: &[(&str, &str)], body: Option<Vec<u8>>) -> Reply {
        self.try_request(method, path, headers, body).await.unwrap()
    }

    /// As [`Client::request`], for tests in which the server may be gone.
    pub async fn try_request(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: Option<Vec<u8>>,
    ) -> reqwest::Result<Reply> {
        let method = Method::from_bytes(method.as_bytes()).unwrap();
        let mut request = self.http.request(method, format!("{}{path}", self.url)).bearer_auth(&self.key);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        if let Some(body) = body {
            request = request.header("content-type", "application/json").body(body);
        }
        let response = request.send().await?;
        let status = response.status().as_u16();
        let text_of = |value: &reqwest::header::HeaderValue| value.to_str().unwrap_or_default().to_owned();
        let headers = response.headers().iter().map(|(name, value)| (name.to_string(), text_of(value))).collect();
        let bytes = response.bytes().await?;
        let body = match serde_json::from_slice(&bytes) {
            Ok(body) => body,
            Err(_) if bytes.is_empty() => Value::Null,
            Err(_) => Value::String(String::from_utf8_lossy(&bytes).into_owned()),
        };
        Ok(Reply { status, headers, body })
    }

    pub async fn get(&self, path: &str) -> Reply {
        self.request("GET", path, &[], None).await
    }

    pub async fn post(&self, path: &str, body: Value) -> Reply {
        self.request("POST", path, &[], Some(body.to_string().into_bytes())).await
    }

    pub async fn put(&self, path: &str, body: Value) -> Reply {
        self.request("PUT", path, &[], Some(body.to_string().into_bytes())).await
    }

    pub async fn patch(&self, path: &str, body: Value) -> Reply {
        self.request("PATCH", path, &[], Some(body.to_string().into_bytes())).await
    }

    pub async fn delete(&self, path: &str) -> Reply {
        self.request("DELETE", path, &[], None).await
    }

    /// A new application's id.
    pub async fn application(&self) -> String {
        id(&self.post("/api/v1/app", json!({"name": "Acme"})).await.expect(201))
    }

    /// A new endpoint's id.
    pub async fn endpoint(&self, app: &str, endpoint: Value) -> String {
        id(&self.post(&format!("/api/v1/app/{app}/endpoint"), endpoint).await.expect(201))
    }

    /// An accepted message's id.
    pub async fn send(&self, app: &str, event_type: &str, payload: Value) -> String {
        let message = json!({"eventType": event_type, "payload": payload});
        id(&self.post(&format!("/api/v1/app/{app}/msg"), message).await.expect(202))
    }

    /// The attempts of a message, the newest first.
    pub async fn attempts(&self, app: &str, message: &str) -> Vec<Value> {
        let page = self.get(&format!("/api/v1/app/{app}/attempt/msg/{message}?limit=250")).await.expect(200);
        page["data"].as_array().unwrap().clone()
    }

    /// The attempts of a message, once there are `n`.
    pub async fn wait_for_attempts(&self, app: &str, message: &str, n: usize) -> Vec<Value> {
        let mut last = Vec::new();
        let found = eventually(async || {
            last = self.attempts(app, message).await;
            last.len() >= n
        })
        .await;
        assert!(found, "{n} attempts of {message}, but there are {last:#?}");
        last
    }

    /// The endpoint as it is.
    pub async fn endpoint_now(&self, app: &str, endpoint: &str) -> Value {
        self.get(&format!("/api/v1/app/{app}/endpoint/{endpoint}")).await.expect(200)
    }

    /// How a message stands at its endpoints: the status text of each.
    pub async fn states(&self, app: &str, message: &str) -> Vec<String> {
        let page = self.get(&format!("/api/v1/app/{app}/msg/{message}/endpoint?limit=250")).await.expect(200);
        let rows = page["data"].as_array().unwrap().iter();
        rows.map(|row| row["statusText"].as_str().unwrap().to_owned()).collect()
    }
}

/// The `id` of an answer.
pub fn id(body: &Value) -> String {
    body["id"].as_str().unwrap_or_else(|| panic!("no id in {body}")).to_owned()
}

/// Asks again and again until it is so; false when patience ends.
pub async fn eventually(is_so: impl AsyncFnMut() -> bool) -> bool {
    eventually_within(PATIENCE, is_so).await
}

/// [`eventually`], with another patience.
pub async fn eventually_within(patience: Duration, mut is_so: impl AsyncFnMut() -> bool) -> bool {
    let started = Instant::now();
    while started.elapsed() < patience {
        if is_so().await {
            return true;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    false
}

/// An answer for a snapshot: what differs from run to run is replaced by its name.
pub fn redacted(body: &Value, fields: &[&str]) -> String {
    fn walk(value: &mut Value, fields: &[&str]) {
        match value {
            Value::Array(items) => items.iter_mut().for_each(|item| walk(item, fields)),
            Value::Object(object) => {
                for (name, value) in object.iter_mut() {
                    if fields.contains(&name.as_str()) {
                        *value = Value::String(format!("[{name}]"));
                    } else {
                        walk(value, fields);
                    }
                }
            }
            _ => {}
        }
    }
    let mut body = body.clone();
    walk(&mut body, fields);
    serde_json::to_string_pretty(&body).unwrap()
}
