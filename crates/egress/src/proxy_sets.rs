//! The proxies of calls: those that the operator named, and those that calls name themselves.

use crate::address::AddressRules;
use crate::error::SendError;
use crate::proxies::Proxies;
use crate::proxy::ProxySettings;
use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// Settings of calls that are kept.
const MOST: usize = 1_000;
/// How long deliveries pause when a setting can't be used: somebody has to change it.
const MISCONFIGURED: Duration = Duration::from_secs(60);

#[derive(Debug)]
pub struct ProxySets {
    usual: Proxies,
    /// Where proxies that calls name may be.
    rules: AddressRules,
    others: Mutex<HashMap<ProxySettings, Proxies>>,
}

impl ProxySets {
    /// `usual` are the proxies of calls that name none, and may be anywhere. The error says what is wrong with them.
    pub fn new(usual: &ProxySettings, rules: AddressRules) -> Result<ProxySets, String> {
        let usual = Proxies::new(usual, AddressRules::anywhere())?;
        Ok(ProxySets { usual, rules, others: Mutex::default() })
    }

    /// The proxies of a call with these settings. Equal settings give the same ones.
    pub fn of(&self, settings: Option<&ProxySettings>) -> Result<Proxies, SendError> {
        let Some(settings) = settings else { return Ok(self.usual.clone()) };
        let mut others = self.others.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = others.get(settings) {
            return Ok(known.clone());
        }
        let made = Proxies::new(settings, self.rules.clone())
            .map_err(|reason| SendError::Proxy { reason: format!("can't be used: {reason}"), pause: MISCONFIGURED })?;
        if others.len() >= MOST {
            others.clear();
        }
        others.insert(settings.clone(), made.clone());
        Ok(made)
    }
}
