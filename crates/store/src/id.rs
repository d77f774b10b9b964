//! Ids: one rising number for everything, and its public spelling.
//!
//! Inside, an id is an `i64`: milliseconds since 2020, the slot of the node that gave it out (8 bits,
//! 0 for the embedded database), and a counter (12 bits). Each node's ids rise, also when the wall
//! clock goes back; so they order by time and serve as row keys that append. Outside, an id is its
//! prefix and 22 base62 digits: the number and 64 bits derived from it and the installation's salt.
//! That keeps the order, can't be guessed, and two installations never send the same `webhook-id`.

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::sync::atomic::{AtomicI64, Ordering};

/// 2020-01-01T00:00:00Z.
const EPOCH_MS: i64 = 1_577_836_800_000;
/// Below the milliseconds: the node's slot, and a counter.
const BELOW_MS: u32 = 20;
const COUNTER_BITS: u32 = 12;
/// Nodes that may run at once on one database.
pub const SLOTS: i32 = 1 << (BELOW_MS - COUNTER_BITS);
const DAY_MS: i64 = 86_400_000;
const DIGITS: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
const TEXT_LEN: usize = 22;
/// Digits of an id of Svix.
const SVIX_TEXT_LEN: usize = 27;
const TEN_DIGITS: u128 = 62_u128.pow(10);

macro_rules! id_type {
    ($(#[$meta:meta])* $name:ident, $prefix:literal) => {
        $(#[$meta])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(pub i64);
        impl Kind for $name {
            const PREFIX: &'static str = $prefix;
            fn from_number(number: i64) -> Self { $name(number) }
            fn number(self) -> i64 { self.0 }
        }
    };
}

/// A kind of id: its prefix, and the way to and from the number.
pub trait Kind: Copy {
    const PREFIX: &'static str;
    fn from_number(number: i64) -> Self;
    fn number(self) -> i64;
}

/// The prefixes of all kinds of ids.
const PREFIXES: [&str; 8] = [
    AppId::PREFIX,
    EndpointId::PREFIX,
    MessageId::PREFIX,
    AttemptId::PREFIX,
    KeyId::PREFIX,
    EnvId::PREFIX,
    IntegrationId::PREFIX,
    TaskId::PREFIX,
];

id_type!(/// An application, `app_…`.
    AppId, "app_");
id_type!(/// An endpoint, `ep_…`.
    EndpointId, "ep_");
id_type!(/// A message, `msg_…`.
    MessageId, "msg_");
id_type!(/// An attempt, `atmpt_…`.
    AttemptId, "atmpt_");
id_type!(/// An API key, `key_…`.
    KeyId, "key_");
id_type!(/// A provider's top-level space, `env_…`. API keys, applications and event types belong to one.
    EnvId, "env_");
id_type!(/// A third party of an application, `integ_…`.
    #[derive(Serialize, Deserialize)]
    IntegrationId, "integ_");
id_type!(/// A job in the background, `qtask_…`.
    TaskId, "qtask_");

/// Hands out rising numbers. Shared by the writer (messages, attempts) and by whoever creates
/// applications, endpoints and keys.
#[derive(Debug, Default)]
pub struct IdSource {
    /// Milliseconds and counter of the last id, without the slot.
    last: AtomicI64,
    slot: AtomicI64,
}

impl IdSource {
    /// Continues after `last`, the highest number in the store.
    pub fn after(last: i64) -> IdSource {
        let source = IdSource::default();
        source.restart(0, last);
        source
    }

    /// Gives out ids of `slot` from now on, all of them after `last`.
    pub fn restart(&self, slot: i32, last: i64) {
        self.slot.store(i64::from(slot), Ordering::Relaxed);
        // The counters of older versions were longer, so it begins with the next millisecond.
        let floor = ((last >> BELOW_MS) + 1) << COUNTER_BITS;
        self.last.fetch_max(floor, Ordering::Relaxed);
    }

    /// The next number, for something that happens at `wall_ms`.
    pub fn next(&self, wall_ms: i64) -> i64 {
        let by_time = (wall_ms - EPOCH_MS).max(0) << COUNTER_BITS;
        let step = |last: i64| Some((last + 1).max(by_time));
        match self.last.fetch_update(Ordering::Relaxed, Ordering::Relaxed, step) {
            Ok(last) | Err(last) => self.number((last + 1).max(by_time)),
        }
    }

    /// No id that was given out is greater.
    pub fn newest(&self) -> i64 {
        self.number(self.last.load(Ordering::Relaxed))
    }

    fn number(&self, last: i64) -> i64 {
        let (ms, counter) = (last >> COUNTER_BITS, last & ((1 << COUNTER_BITS) - 1));
        ms << BELOW_MS | self.slot.load(Ordering::Relaxed) << COUNTER_BITS | counter
    }
}

/// The first id that could be given out at this time.
pub fn first_of_ms(wall_ms: i64) -> i64 {
    (wall_ms - EPOCH_MS).max(0) << BELOW_MS
}

/// When an id was given out, epoch ms.
pub fn ms_of(id: i64) -> i64 {
    (id >> BELOW_MS) + EPOCH_MS
}

/// The day (since 2020) on which an id was given out.
pub fn day_of(id: i64) -> i64 {
    (id >> BELOW_MS) / DAY_MS
}

/// The first id of a day, and the first of the next.
pub fn ids_of_day(day: i64) -> (i64, i64) {
    let first = |day: i64| (day * DAY_MS) << BELOW_MS;
    (first(day), first(day + 1))
}

/// The public spelling of ids in one installation.
#[derive(Clone, Debug)]
pub struct Ids {
    salt: [u8; 16],
}

impl Ids {
    pub fn new(salt: [u8; 16]) -> Ids {
        Ids { salt }
    }

    /// The prefix of a text that could be taken for one of these ids: it begins as an id does, and is not as long as
    /// the ids of another server.
    pub fn looks_like_one(&self, text: &str) -> Option<&'static str> {
        let prefix = *PREFIXES.iter().find(|prefix| text.starts_with(*prefix))?;
        let digits = &text[prefix.len()..];
        let is_elsewhere = matches!(digits.len(), TEXT_LEN | SVIX_TEXT_LEN)
            && digits.bytes().all(|byte| byte.is_ascii_alphanumeric())
            && !self.is_own(text);
        (!is_elsewhere).then_some(prefix)
    }

    /// Whether it is an id of this installation, of whatever kind.
    fn is_own(&self, text: &str) -> bool {
        self.parse::<AppId>(text).is_some()
            || self.parse::<EndpointId>(text).is_some()
            || self.parse::<MessageId>(text).is_some()
            || self.parse::<AttemptId>(text).is_some()
            || self.parse::<KeyId>(text).is_some()
            || self.parse::<EnvId>(text).is_some()
            || self.parse::<IntegrationId>(text).is_some()
            || self.parse::<TaskId>(text).is_some()
    }

    /// The public id, such as `msg_0E7x…`.
    pub fn text<K: Kind>(&self, id: K) -> String {
        let number = id.number();
        let mut rest = (u128::from(number.cast_unsigned()) << 64) | u128::from(self.tag::<K>(number));
        let mut digits = [b'0'; TEXT_LEN];
        // Ten digits at a time, because dividing 128 bits is slow.
        for ten in digits.rchunks_mut(10) {
            let mut part = (rest % TEN_DIGITS) as u64;
            rest /= TEN_DIGITS;
            for digit in ten.iter_mut().rev() {
                *digit = DIGITS[(part % 62) as usize];
                part /= 62;
            }
        }
        let mut text = String::with_capacity(K::PREFIX.len() + TEXT_LEN);
        text.push_str(K::PREFIX);
        text.extend(digits.iter().map(|d| char::from(*d)));
        text
    }

    /// The id that `text` spells, or `None` when this installation never gave it out.
    pub fn parse<K: Kind>(&self, text: &str) -> Option<K> {
        let digits = text.strip_prefix(K::PREFIX)?;
        if digits.len() != TEXT_LEN {
            return None;
        }
        let mut value: u128 = 0;
        for byte in digits.bytes() {
            let digit = DIGITS.iter().position(|d| *d == byte)?;
            value = value.checked_mul(62)?.checked_add(digit as u128)?;
        }
        let number = i64::try_from(value >> 64).ok()?;
        let tag = (value & u128::from(u64::MAX)) as u64;
        (tag == self.tag::<K>(number)).then(|| K::from_number(number))
    }

    fn tag<K: Kind>(&self, number: i64) -> u64 {
        let mut hash = Sha256::new();
        hash.update(self.salt);
        hash.update(K::PREFIX.as_bytes());
        hash.update(number.to_be_bytes());
        let digest = hash.finalize();
        let mut tag = [0u8; 8];
        tag.copy_from_slice(&digest[..8]);
        u64::from_be_bytes(tag)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_rise_even_when_the_clock_goes_back() {
        let source = IdSource::after(0);
        let first = source.next(EPOCH_MS + 1_000);
        let after_step_back = source.next(EPOCH_MS + 10);
        let later = source.next(EPOCH_MS + 2_000);
        assert!(first < after_step_back && after_step_back < later);
        assert!(IdSource::after(later).next(EPOCH_MS) > later);
        let other = IdSource::default();
        other.restart(7, later);
        let id = other.next(EPOCH_MS);
        assert!(id > later && other.newest() == id);
        assert_eq!(day_of(id), 0);
        assert!((ids_of_day(0).0..ids_of_day(0).1).contains(&id));
    }

    #[test]
    fn a_public_id_reads_back_only_as_what_it_is() {
        let ids = Ids::new([7; 16]);
        let text = ids.text(MessageId(123_456_789));
        assert_eq!(ids.parse::<MessageId>(&text), Some(MessageId(123_456_789)));
        assert_eq!(ids.parse::<AppId>(&text.replace("msg_", "app_")), None);
        assert_eq!(Ids::new([8; 16]).parse::<MessageId>(&text), None);
        assert_eq!(ids.parse::<MessageId>("msg_zzzzzzzzzzzzzzzzzzzzzz"), None);
        assert!(ids.text(MessageId(5)) < ids.text(MessageId(6)));
    }
}
