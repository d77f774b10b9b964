//! Addresses that recently did not answer, or answered later than another of the same name: they are tried last.
//!
//! What answered is not remembered, so that connections still spread over all addresses that work.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::time::Instant;

/// How long an address comes last.
const FOR: Duration = Duration::from_secs(600);
/// Addresses that are remembered at most.
const MOST: usize = 4_096;

#[derive(Debug, Default)]
pub struct Laggards(Mutex<HashMap<SocketAddr, Instant>>);

impl Laggards {
    pub fn contains(&self, address: SocketAddr, now: Instant) -> bool {
        self.lock().get(&address).is_some_and(|until| *until > now)
    }

    pub fn insert(&self, address: SocketAddr, now: Instant) {
        let mut until = self.lock();
        if until.len() >= MOST {
            until.retain(|_, until| *until > now);
        }
        if until.len() >= MOST
            && let Some(oldest) = until.iter().min_by_key(|(_, until)| **until).map(|(address, _)| *address)
        {
            until.remove(&oldest);
        }
        until.insert(address, now + FOR);
    }

    pub fn remove(&self, address: SocketAddr) {
        self.lock().remove(&address);
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<SocketAddr, Instant>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(n: usize) -> SocketAddr {
        SocketAddr::from(([192, 0, 2, 1], u16::try_from(n).unwrap()))
    }

    #[test]
    fn an_address_comes_last_for_a_time() {
        let (laggards, now) = (Laggards::default(), Instant::now());
        laggards.insert(address(1), now);
        assert!(laggards.contains(address(1), now) && !laggards.contains(address(2), now));
        assert!(!laggards.contains(address(1), now + FOR));
        laggards.remove(address(1));
        assert!(!laggards.contains(address(1), now));
    }

    #[test]
    fn the_oldest_is_forgotten_first() {
        let (laggards, now) = (Laggards::default(), Instant::now());
        for n in 0..=MOST {
            laggards.insert(address(n), now + Duration::from_millis(n as u64));
        }
        assert_eq!(laggards.lock().len(), MOST);
        assert!(!laggards.contains(address(0), now) && laggards.contains(address(MOST), now));
    }
}
