//! One HTTP client for each setting of proxies: connections through different proxies are never mixed up.

use crate::address::AddressRules;
use crate::client::{HEAD_LIMIT, IDLE_FOR, IDLE_PER_HOST};
use crate::connect::Parts;
use crate::error::SendError;
use crate::pooled::Connector;
use crate::proxies::Proxies;
use crate::proxy::ProxySettings;
use bytes::Bytes;
use http_body_util::Full;
use hyper_util::client::legacy::Client;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// Settings of which the clients are kept.
const MOST: usize = 1_000;
/// How long deliveries pause when a setting can't be used: somebody has to change it.
const MISCONFIGURED: Duration = Duration::from_secs(60);

pub type HttpClient = Client<Connector, Full<Bytes>>;

/// Clones share the clients.
#[derive(Clone, Debug)]
pub struct Clients(Arc<Inner>);

struct Inner {
    parts: Arc<Parts>,
    rules: AddressRules,
    life: Duration,
    usual: HttpClient,
    others: Mutex<HashMap<ProxySettings, HttpClient>>,
}

impl std::fmt::Debug for Inner {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Clients")
    }
}

impl Clients {
    /// `proxies` are those of calls that name none.
    pub fn new(parts: Parts, proxies: Proxies, life: Duration) -> Clients {
        let (rules, parts) = (parts.rules.clone(), Arc::new(parts));
        let usual = client(parts.clone(), proxies, life);
        Clients(Arc::new(Inner { parts, rules, life, usual, others: Mutex::default() }))
    }

    /// The client for calls with these settings.
    pub fn of(&self, settings: Option<&ProxySettings>) -> Result<HttpClient, SendError> {
        let Some(settings) = settings else { return Ok(self.0.usual.clone()) };
        let mut others = self.0.others.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = others.get(settings) {
            return Ok(known.clone());
        }
        let proxies = Proxies::new(settings, self.0.rules.clone())
            .map_err(|reason| SendError::Proxy { reason: format!("can't be used: {reason}"), pause: MISCONFIGURED })?;
        if others.len() >= MOST {
            others.clear();
        }
        let made = client(self.0.parts.clone(), proxies, self.0.life);
        others.insert(settings.clone(), made.clone());
        Ok(made)
    }
}

fn client(parts: Arc<Parts>, proxies: Proxies, life: Duration) -> HttpClient {
    Client::builder(TokioExecutor::new())
        .pool_timer(TokioTimer::new())
        .pool_idle_timeout(IDLE_FOR.min(life))
        .pool_max_idle_per_host(IDLE_PER_HOST)
        .http1_max_buf_size(HEAD_LIMIT)
        .build(Connector::new(parts, proxies, life))
}
