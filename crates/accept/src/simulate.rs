//! Test numbers: the messages that one produces, as its contract has them, in turn.

use crate::payload;
use crate::{Accept, Accepted, Caller, DeliverTo, FieldProblem, Idempotency, MessageDraft, Refusal};
use bytes::Bytes;
use postrider_contract::{Simulated, SimulationError};

/// Between two messages of one number, so that they arrive as they were meant to.
const BETWEEN_MS: i64 = 1_000;

/// What a caller gives of a simulation.
#[derive(Clone, Debug, Default)]
pub struct SimulationDraft {
    /// What was sent to the number. Valid JSON, as it came.
    pub payload: Bytes,
    pub deliver_to: Option<DeliverTo>,
}

impl Accept {
    /// Accepts what a test number produces, once for each idempotency key; the messages, in turn, each with its type
    /// and payload.
    pub async fn simulate(
        &self,
        caller: Caller,
        app: &str,
        draft: SimulationDraft,
        idempotency: Option<Idempotency>,
    ) -> Result<Vec<(Accepted, MessageDraft)>, Refusal> {
        payload::check(&draft.payload).map_err(|msg| FieldProblem::value("payload", msg))?;
        let entry = self.application(caller, app)?;
        let simulated = self.contract(self.contract_of(&entry))?.simulate(&draft.payload).map_err(refused)?;
        let now_ms = self.clock.wall_ms();
        let message = |(n, step): (i64, Simulated)| MessageDraft {
            event_type: step.event_type,
            payload: step.payload,
            deliver_at_ms: (n > 0).then_some(now_ms + n * BETWEEN_MS),
            deliver_to: draft.deliver_to.clone(),
            ..MessageDraft::default()
        };
        let messages: Vec<MessageDraft> = (0..).zip(simulated).map(message).collect();
        let accepted = self.accept_many(caller, app, &messages, idempotency).await?;
        accepted.into_iter().zip(messages).map(|(accepted, message)| Ok((accepted?, message))).collect()
    }
}

fn refused(error: SimulationError) -> Refusal {
    match error {
        SimulationError::None(_) => Refusal::Conflict { code: "no_simulation", detail: error.to_string() },
        _ => FieldProblem::value("payload", error.to_string()).into(),
    }
}
