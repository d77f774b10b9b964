//! What the provider may want to hear of: deliveries that go badly, and endpoints that were disabled for it.

use crate::attempt::Finished;
use postrider_store::id::{EndpointId, MessageId};

/// The failure after which a message counts as failing.
const FAILING_AFTER: u32 = 4;

/// Something that happened to an endpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Happening {
    pub endpoint: EndpointId,
    pub what: What,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum What {
    /// A message has failed several times, and will be tried again.
    Failing(MessageId),
    /// It will not be tried again by itself.
    Exhausted(MessageId),
    /// It arrived after it was failing.
    Recovered(MessageId),
    /// Its response asked for something.
    Replied(MessageId),
    /// The endpoint gets nothing more: it has failed since then, epoch ms.
    Disabled { since_ms: i64 },
}

/// What a finished attempt is worth telling; nothing, mostly.
pub fn of(finished: &Finished) -> Option<What> {
    let message = finished.record.delivery.message;
    match (finished.effect.success, finished.record.retry) {
        _ if !finished.effect.real => None,
        // Whoever tells of it finds the rest in the store, where it waits to be told.
        _ if finished.record.reply.is_some() => Some(What::Replied(message)),
        (true, _) if finished.tries > FAILING_AFTER => Some(What::Recovered(message)),
        (false, Some(_)) if finished.tries == FAILING_AFTER => Some(What::Failing(message)),
        (false, None) => Some(What::Exhausted(message)),
        _ => None,
    }
}
