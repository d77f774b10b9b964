//! Which connections are open, and which one ends when there are too many.
//!
//! An address may hold as many connections as are still free, so one alone has half of them. When an address has its
//! share, its connection that is idle for longest is closed in favour of a new one; when all are taken, the one that is
//! idle for longest of all. If none is idle, the new one gets a place of the reserve, where only health checks are
//! answered.

use crate::wire::Activity;
use postrider_fair::Shares;
use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::time::Instant;

/// The reserve, as a share of the limit; and its least.
const RESERVE_SHARE: usize = 64;
const LEAST_RESERVE: usize = 8;

/// All open connections. Locks are held for a look, never across an await.
#[derive(Debug)]
pub struct Connections {
    began: Instant,
    open: Mutex<Open>,
}

#[derive(Debug)]
struct Open {
    shares: Shares<IpAddr>,
    reserve: usize,
    places: HashMap<u64, Held>,
    reserved: usize,
    next: u64,
}

#[derive(Debug)]
struct Held {
    /// `None`: a place of the reserve.
    address: Option<IpAddr>,
    activity: Arc<Activity>,
}

/// A connection's place, given back when it is dropped.
#[derive(Debug)]
pub struct Place {
    connections: Arc<Connections>,
    number: u64,
    /// Only health checks are answered here.
    pub is_reserve: bool,
    pub activity: Arc<Activity>,
}

impl Connections {
    pub fn new(most: usize) -> Arc<Connections> {
        let open = Open {
            // One address alone has half of what is shared; at least one connection.
            shares: Shares::new(most.max(2)),
            reserve: (most / RESERVE_SHARE).max(LEAST_RESERVE),
            places: HashMap::new(),
            reserved: 0,
            next: 0,
        };
        Arc::new(Connections { began: Instant::now(), open: Mutex::new(open) })
    }

    /// A place for a new connection; `None`: there is none, and none that can be made.
    pub fn place(self: &Arc<Connections>, address: IpAddr) -> Option<Place> {
        let address = client(address);
        let mut open = self.open();
        let address = if open.shares.take(address, 1) || (open.evict(address) && open.shares.take(address, 1)) {
            Some(address)
        } else if open.reserved < open.reserve || open.evict_reserved() {
            open.reserved += 1;
            None
        } else {
            return None;
        };
        let activity = Arc::new(Activity::new(self.began));
        let number = open.next;
        open.next += 1;
        open.places.insert(number, Held { address, activity: activity.clone() });
        Some(Place { connections: self.clone(), number, is_reserve: address.is_none(), activity })
    }

    /// Asks every connection to end: now if it is idle, else after its response.
    pub fn close_all(&self) {
        self.open().places.values().for_each(|held| held.activity.closing.notify_one());
    }

    fn open(&self) -> MutexGuard<'_, Open> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Open {
    /// Closes an idle connection so that `address` may have another: one of its own, or of any if it has none.
    fn evict(&mut self, address: IpAddr) -> bool {
        let has_own = self.shares.held(address) > 0;
        self.close_longest_idle(|held| match held {
            Some(held) => !has_own || held == address,
            None => false,
        })
    }

    fn evict_reserved(&mut self) -> bool {
        self.close_longest_idle(|held| held.is_none())
    }

    fn close_longest_idle(&mut self, may_be: impl Fn(Option<IpAddr>) -> bool) -> bool {
        let idle = self.places.iter().filter(|(_, held)| may_be(held.address));
        let idle = idle.filter_map(|(number, held)| Some((held.activity.idle_since_ms()?, *number)));
        let Some((_, number)) = idle.min() else { return false };
        if let Some(held) = self.leave(number) {
            held.activity.closing.notify_one();
        }
        true
    }

    fn leave(&mut self, number: u64) -> Option<Held> {
        let held = self.places.remove(&number)?;
        match held.address {
            Some(address) => self.shares.give_back(address, 1),
            None => self.reserved -= 1,
        }
        Some(held)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.connections.open().leave(self.number);
    }
}

/// Whose connection it is: an IPv6 client has a whole network of addresses.
fn client(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V4(address) => IpAddr::V4(address),
        IpAddr::V6(address) => IpAddr::V6((address.to_bits() >> 64 << 64).into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::Ipv6Addr;

    fn address(n: u8) -> IpAddr {
        IpAddr::from([192, 0, 2, n])
    }

    #[tokio::test]
    async fn an_address_has_half_and_then_loses_its_own_idle_connections() {
        let connections = Connections::new(16);
        let mut held: Vec<Place> = (0..20).map(|_| connections.place(address(1)).unwrap()).collect();
        assert!(held.iter().all(|place| !place.is_reserve));
        assert_eq!(connections.open().shares.held(address(1)), 8);
        let other = connections.place(address(2)).unwrap();
        assert!(!other.is_reserve);
        // Connections with requests in progress stay open.
        held.iter().for_each(|place| place.activity.request_began());
        assert!(connections.place(address(1)).unwrap().is_reserve, "there is still room for a health check");
        held.clear();
        assert!(!connections.place(address(1)).unwrap().is_reserve);
    }

    #[tokio::test]
    async fn when_all_are_taken_the_longest_idle_of_all_ends() {
        let connections = Connections::new(4);
        let held: Vec<Place> = (0..4).map(|n| connections.place(address(n)).unwrap()).collect();
        held[0].activity.request_began();
        assert!(!connections.place(address(9)).unwrap().is_reserve);
        held[1].activity.closing.notified().await;
    }

    #[test]
    fn addresses_of_one_ipv6_network_are_one_client() {
        let ip = |text: &str| client(text.parse::<Ipv6Addr>().unwrap().into());
        assert_eq!(ip("2001:db8::1"), ip("2001:db8::ffff:2"));
        assert_ne!(ip("2001:db8::1"), ip("2001:db8:0:1::1"));
        assert_eq!(ip("::ffff:192.0.2.1"), address(1));
    }
}
