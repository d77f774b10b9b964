//! Proxies in use: how each is reached, and how it does.

use crate::address::AddressRules;
use crate::connect::Target;
use crate::error::SendError;
use crate::proxy::{Exceptions, ProxySettings, ProxyUrl};
use std::hash::{Hash, Hasher};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::time::Instant;

/// How often the log says that a proxy fails.
const LOG_EVERY: Duration = Duration::from_secs(60);
/// How long deliveries pause when a proxy fails: a quarter of the time that it has failed for, within these bounds.
const MIN_PAUSE: Duration = Duration::from_secs(5);
const MAX_PAUSE: Duration = Duration::from_secs(60);

/// The proxies of one setting. Clones are the same; others are not, whatever their settings.
#[derive(Clone, Debug)]
pub struct Proxies(Arc<Set>);

#[derive(Debug)]
struct Set {
    /// Of this process.
    number: u64,
    http: Option<Proxy>,
    https: Option<Proxy>,
    except: Exceptions,
}

impl Proxies {
    /// Those that the operator named may be anywhere; others must be at an address that `rules` allow.
    pub fn new(settings: &ProxySettings, rules: AddressRules) -> Result<Proxies, String> {
        let proxy = |url: &Option<String>| -> Result<Option<Proxy>, String> {
            url.as_ref().map(|url| Ok(Proxy::new(ProxyUrl::parse(url)?, rules.clone()))).transpose()
        };
        let except = Exceptions::new(&settings.except);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        Ok(Proxies(Arc::new(Set { number, http: proxy(&settings.http)?, https: proxy(&settings.https)?, except })))
    }

    /// The proxy for `target`; `None`: it is connected to directly.
    pub fn of(&self, target: &Target) -> Option<&Proxy> {
        let set = &self.0;
        let proxy = if target.secure { set.https.as_ref() } else { set.http.as_ref() };
        proxy.filter(|_| !set.except.contain(&target.host))
    }
}

static NEXT: AtomicU64 = AtomicU64::new(0);

impl PartialEq for Proxies {
    fn eq(&self, other: &Proxies) -> bool {
        self.0.number == other.0.number
    }
}

impl Eq for Proxies {}

impl Hash for Proxies {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.0.number.hash(state);
    }
}

/// One proxy.
#[derive(Debug)]
pub struct Proxy {
    pub url: ProxyUrl,
    /// Where it may be.
    pub rules: AddressRules,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    failing_since: Option<Instant>,
    logged: Option<Instant>,
    /// The log has a failure and not yet its end.
    is_reported: bool,
}

impl State {
    fn may_log(&mut self, now: Instant) -> bool {
        let may = self.logged.is_none_or(|logged| now.duration_since(logged) >= LOG_EVERY);
        if may {
            self.logged = Some(now);
        }
        may
    }
}

impl Proxy {
    fn new(url: ProxyUrl, rules: AddressRules) -> Proxy {
        Proxy { url, rules, state: Mutex::default() }
    }

    /// It does not work. The operator reads it in the log; the error says how long deliveries pause.
    pub fn failed(&self, reason: String, now: Instant) -> SendError {
        let mut state = self.lock();
        let since = *state.failing_since.get_or_insert(now);
        if state.may_log(now) {
            state.is_reported = true;
            let seconds = now.duration_since(since).as_secs();
            tracing::error!(proxy = %self.url, %reason, failing_for_seconds = seconds, "egress proxy failed");
        }
        SendError::Proxy { reason, pause: (now.duration_since(since) / 4).clamp(MIN_PAUSE, MAX_PAUSE) }
    }

    /// It works, and does not let us connect to this host.
    pub fn refused(&self, reason: String, host: &str, now: Instant) -> SendError {
        if self.lock().may_log(now) {
            tracing::error!(proxy = %self.url, %reason, host, "egress proxy refused a connection");
        }
        SendError::Proxy { reason, pause: MAX_PAUSE }
    }

    pub fn worked(&self) {
        let mut state = self.lock();
        state.failing_since = None;
        if std::mem::take(&mut state.is_reported) {
            tracing::info!(proxy = %self.url, "egress proxy works again");
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_pause_grows_with_the_outage_and_ends_with_it() {
        let proxy = Proxy::new(ProxyUrl::parse("http://proxy.test:1").unwrap(), AddressRules::default());
        let began = Instant::now();
        let pause = |after: u64| match proxy.failed("can't be reached".into(), began + Duration::from_secs(after)) {
            SendError::Proxy { pause, .. } => pause.as_secs(),
            error => panic!("{error}"),
        };
        assert_eq!([0, 40, 100, 1_000].map(pause), [5, 10, 25, 60]);
        proxy.worked();
        assert_eq!(pause(2_000), 5);
    }
}
