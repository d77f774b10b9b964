//! Connections for each setting of proxies: those through different proxies are never mixed up.

use crate::address::AddressRules;
use crate::error::SendError;
use crate::pool::Pool;
use crate::proxies::Proxies;
use crate::proxy::ProxySettings;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// Settings whose connections are kept.
const MOST: usize = 1_000;
/// How long deliveries pause when a setting can't be used: somebody has to change it.
const MISCONFIGURED: Duration = Duration::from_secs(60);

/// The proxies of one setting, and the connections through them.
#[derive(Debug)]
pub struct Client {
    pub proxies: Proxies,
    pub pool: Pool,
}

/// See the module.
#[derive(Debug)]
pub struct Clients {
    rules: AddressRules,
    life: Duration,
    usual: Arc<Client>,
    others: Mutex<HashMap<ProxySettings, Arc<Client>>>,
}

impl Clients {
    /// `usual` are the proxies of calls that name none; those of the others must be at addresses that `rules` allow.
    pub fn new(usual: Proxies, rules: AddressRules, life: Duration) -> Clients {
        let usual = Arc::new(Client { proxies: usual, pool: Pool::new(life) });
        Clients { rules, life, usual, others: Mutex::default() }
    }

    /// The client for calls with these settings.
    pub fn of(&self, settings: Option<&ProxySettings>) -> Result<Arc<Client>, SendError> {
        let Some(settings) = settings else { return Ok(self.usual.clone()) };
        let mut others = self.others.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = others.get(settings) {
            return Ok(known.clone());
        }
        let proxies = Proxies::new(settings, self.rules.clone())
            .map_err(|reason| SendError::Proxy { reason: format!("can't be used: {reason}"), pause: MISCONFIGURED })?;
        if others.len() >= MOST {
            others.clear();
        }
        let made = Arc::new(Client { proxies, pool: Pool::new(self.life) });
        others.insert(settings.clone(), made.clone());
        Ok(made)
    }
}
