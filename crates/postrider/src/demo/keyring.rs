//! The secrets that the inbox checks with: the demo application's, as they are now.

use super::APP;
use postrider_accept::{Accept, Caller};
use std::collections::BTreeMap;
use std::sync::{PoisonError, RwLock};

/// See the module. Empty until there is a server.
#[derive(Debug, Default)]
pub struct Keyring(RwLock<Source>);

#[derive(Debug)]
enum Source {
    Server(Box<Accept>, Caller),
    /// By contract, as they were when the server began to stop.
    Kept(BTreeMap<String, Vec<String>>),
}

impl Default for Source {
    fn default() -> Source {
        Source::Kept(BTreeMap::new())
    }
}

impl Keyring {
    /// Asks the server from now on, so that a rotated secret counts at once.
    pub fn open(&self, accept: Accept, caller: Caller) {
        self.put(Source::Server(Box::new(accept), caller));
    }

    /// Lets go of the server, and keeps the secrets for what still arrives while it drains.
    pub fn close(&self, now_ms: i64) {
        let kept = self.all(now_ms);
        self.put(Source::Kept(kept));
    }

    /// The secrets in force of the endpoints with a contract.
    pub fn secrets(&self, contract: &str, now_ms: i64) -> Vec<String> {
        self.all(now_ms).remove(contract).unwrap_or_default()
    }

    fn all(&self, now_ms: i64) -> BTreeMap<String, Vec<String>> {
        let source = self.0.read().unwrap_or_else(PoisonError::into_inner);
        let (accept, caller) = match &*source {
            Source::Server(accept, caller) => (accept, *caller),
            Source::Kept(kept) => return kept.clone(),
        };
        let mut all = BTreeMap::<String, Vec<String>>::new();
        let Ok(entry) = accept.application(caller, APP) else { return all };
        for endpoint in entry.endpoints.values() {
            let secrets = endpoint.secrets.in_force(now_ms);
            all.entry(endpoint.settings.contract.clone()).or_default().extend(secrets);
        }
        all
    }

    fn put(&self, source: Source) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = source;
    }
}
