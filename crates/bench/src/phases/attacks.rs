//! What a tenant does to the server, with its portal token.

use super::elsewhere::Elsewhere;
use crate::api::Api;
use crate::failure::Failure;
use serde_json::{Value, json};
use std::time::Duration;
use tokio::io::AsyncWriteExt;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

/// A body that is announced and not sent.
const ANNOUNCED: [usize; 2] = [25 << 20, 1 << 20];
const UPLOADS: usize = 40;
/// Messages that a listing has, and the bytes of each.
const LISTED: usize = 12;
const LARGE: usize = 20 << 20;
const LISTINGS: usize = 40;
const FILTERS: usize = 1_000;
/// Conditions and values of a filter are two of each.
const SEARCHES: usize = 42;
const SEARCHED_BYTES: usize = 90_000;
const SENDERS: usize = 4;
const IDLE: usize = 8_400;
const ACCEPTED_WITHIN: Duration = Duration::from_secs(4);
const HANGING: usize = 2_000;

/// The tenant: its provider, its token, and its application.
#[derive(Debug)]
pub struct Attacker {
    pub provider: Api,
    pub token: Api,
    pub app: String,
}

#[derive(Clone, Copy, Debug)]
pub enum Attack {
    Uploads,
    Listings,
    Filters,
    Connections,
    Hanging,
}

/// An attack that goes on until it is dropped.
#[derive(Debug, Default)]
pub struct Attacking {
    /// Held open.
    connections: Vec<TcpStream>,
    tasks: JoinSet<()>,
}

impl Attack {
    pub const ALL: [Attack; 5] =
        [Attack::Uploads, Attack::Listings, Attack::Filters, Attack::Connections, Attack::Hanging];

    pub fn name(self) -> &'static str {
        match self {
            Attack::Uploads => "stalled uploads",
            Attack::Listings => "unread listings",
            Attack::Filters => "payload filters",
            Attack::Connections => "idle connections",
            Attack::Hanging => "hanging endpoints",
        }
    }

    /// What takes its time before the attack begins.
    pub async fn prepare(self, attacker: &Attacker) -> Result<(), Failure> {
        match self {
            Attack::Listings => {
                for _ in 0..LISTED {
                    attacker.send("bench.event", json!({"text": "x".repeat(LARGE)})).await?;
                }
            }
            Attack::Filters => {
                let event_type = json!({"name": "bench.large", "description": "What filters look into"});
                attacker.provider.post("/api/v1/event-type", event_type).await?;
                let term = |n| json!({"text": {"$not": {"$contains": format!("needle {n}")}}});
                let filter = json!({"$and": (0..SEARCHES).map(term).collect::<Vec<Value>>()});
                for n in 0..FILTERS {
                    let url = format!("http://127.0.0.1:1/{n}");
                    let endpoint = json!({"url": url, "eventTypes": ["bench.large"], "payloadFilter": filter});
                    attacker.token.post(&attacker.path("endpoint"), endpoint).await?;
                }
            }
            Attack::Uploads | Attack::Connections | Attack::Hanging => {}
        }
        Ok(())
    }

    pub async fn begin(self, attacker: &Attacker, elsewhere: &Elsewhere) -> Result<Attacking, Failure> {
        let mut attacking = Attacking::default();
        match self {
            Attack::Uploads => {
                for n in 0..UPLOADS {
                    let announced = ANNOUNCED[n * ANNOUNCED.len() / UPLOADS];
                    let head = attacker.token.head("POST", &attacker.path("endpoint"), Some(announced));
                    attacking.connect(attacker, format!("{head}{{").as_bytes()).await?;
                }
            }
            Attack::Listings => {
                for _ in 0..LISTINGS {
                    let head = attacker.token.head("GET", &attacker.path("msg?limit=250"), None);
                    attacking.connect(attacker, head.as_bytes()).await?;
                }
            }
            Attack::Filters => {
                for _ in 0..SENDERS {
                    let (api, path) = (attacker.provider.clone(), attacker.path("msg"));
                    let payload = json!({"text": "x".repeat(SEARCHED_BYTES)});
                    let sending = async move {
                        loop {
                            let message = json!({"eventType": "bench.large", "payload": payload});
                            let _ = api.post(&path, message).await;
                        }
                    };
                    attacking.tasks.spawn_on(sending, elsewhere.handle());
                }
            }
            Attack::Connections => {
                for _ in 0..IDLE {
                    // A server that accepts no more connections leaves them to the kernel, until its queue is full.
                    let connected = attacking.connect(attacker, b"");
                    if tokio::time::timeout(ACCEPTED_WITHIN, connected).await.is_err() {
                        break;
                    }
                }
            }
            Attack::Hanging => {
                let listener = TcpListener::bind("127.0.0.1:0").await?;
                let address = listener.local_addr()?;
                let hanging = async move {
                    let mut held = Vec::new();
                    while let Ok((stream, _)) = listener.accept().await {
                        held.push(stream);
                    }
                };
                attacking.tasks.spawn_on(hanging, elsewhere.handle());
                for n in 0..HANGING {
                    let endpoint = json!({"url": format!("http://{address}/{n}")});
                    attacker.token.post(&attacker.path("endpoint"), endpoint).await?;
                }
                attacker.send("bench.event", json!({})).await?;
            }
        }
        Ok(attacking)
    }
}

impl Attacking {
    async fn connect(&mut self, attacker: &Attacker, bytes: &[u8]) -> Result<(), Failure> {
        let mut stream = TcpStream::connect(attacker.provider.address).await?;
        stream.write_all(bytes).await?;
        self.connections.push(stream);
        Ok(())
    }
}

impl Attacker {
    fn path(&self, rest: &str) -> String {
        format!("/api/v1/app/{}/{rest}", self.app)
    }

    async fn send(&self, event_type: &str, payload: Value) -> Result<(), Failure> {
        let message = json!({"eventType": event_type, "payload": payload});
        self.provider.post(&self.path("msg?with_content=false"), message).await.map(drop)
    }
}
