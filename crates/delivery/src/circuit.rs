//! What has been learned of an endpoint, for people to see: whether it gets all, less, or one try at a time.

use crate::lane::Lane;
use postrider_store::id::EndpointId;
use tokio::sync::{mpsc, oneshot};

/// Questions that wait for the scheduler; whoever asks more waits until there is room.
const QUESTIONS: usize = 64;

/// How an endpoint stands with this node.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Circuit {
    pub state: CircuitState,
    /// Since when it has done nothing but fail, epoch ms.
    pub since_ms: Option<i64>,
    /// It asked to be left alone until then, epoch ms.
    pub held_until_ms: Option<i64>,
    /// Something is being sent to it, or goes out as soon as it may.
    pub busy: bool,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum CircuitState {
    /// It gets all that there is.
    #[default]
    Closed,
    /// It failed lately, or asked for a pause: it gets less at once.
    Slowed,
    /// Try after try failed: it gets one at a time, and each shows whether it is back.
    Open,
}

impl Circuit {
    pub(crate) fn of(lane: &Lane, now_ms: i64) -> Circuit {
        let since_ms = lane.health.failing_since();
        let state = match since_ms {
            None => CircuitState::Closed,
            Some(_) if lane.is_down_to_one() => CircuitState::Open,
            Some(_) => CircuitState::Slowed,
        };
        let held_until_ms = lane.asked_to_wait_until().filter(|until| *until > now_ms);
        Circuit { state, since_ms, held_until_ms, busy: lane.running > 0 || lane.has_ready() }
    }
}

pub(crate) type Question = (EndpointId, oneshot::Sender<Circuit>);

/// Where to ask how endpoints stand.
#[derive(Clone, Debug)]
pub struct Circuits(mpsc::Sender<Question>);

impl Circuits {
    pub(crate) fn new() -> (Circuits, mpsc::Receiver<Question>) {
        let (sender, questions) = mpsc::channel(QUESTIONS);
        (Circuits(sender), questions)
    }

    /// How it stands with this node; `None` when delivery has ended.
    pub async fn of(&self, endpoint: EndpointId) -> Option<Circuit> {
        let (answer, answered) = oneshot::channel();
        self.0.send((endpoint, answer)).await.ok()?;
        answered.await.ok()
    }
}
