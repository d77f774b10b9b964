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
pub fn of(finished: &Finished) -> Vec<What> {
    if !finished.effect.real {
        return vec![];
    }
    let message = finished.record.delivery.message;
    // Whoever tells of it finds the rest in the store, where it waits to be told.
    let replied = finished.record.reply.is_some().then_some(What::Replied(message));
    replied.into_iter().chain(turn(finished, message)).collect()
}

/// Whether the message has begun to fail, been given up, or arrived after all.
fn turn(finished: &Finished, message: MessageId) -> Option<What> {
    match (finished.effect.success, finished.record.retry) {
        (true, _) if finished.tries > FAILING_AFTER => Some(What::Recovered(message)),
        (false, Some(_)) if finished.tries == FAILING_AFTER => Some(What::Failing(message)),
        (false, None) => Some(What::Exhausted(message)),
        _ => None,
    }
}
