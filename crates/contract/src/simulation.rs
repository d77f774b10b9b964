//! What test numbers produce, so that a receiver can be tried without a phone.

use crate::contract::Contract;
use crate::encode::Encoding;
use crate::expression::{Compiled, Scope};
use crate::payload::Json;
use crate::tree::Tree;
use bytes::Bytes;
use std::sync::LazyLock;
use thiserror::Error;

/// The number that stands for all others.
const OTHERS: &str = "*";

/// The payload with the fields of one step.
#[expect(clippy::unwrap_used, reason = "a constant, which a test evaluates")]
static STEP: LazyLock<Compiled> = LazyLock::new(|| Compiled::new("merge(payload, step)").unwrap());

/// The `[simulation]` table of a contract.
#[derive(Debug)]
pub struct SimulationRules {
    pub event: String,
    pub when: Option<Compiled>,
    pub number: Compiled,
    /// By number, what each message has of its own, in turn: JSON objects.
    pub numbers: Vec<(String, Vec<Bytes>)>,
}

/// A message that a test number produces.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Simulated {
    /// Its event type.
    pub event_type: String,
    /// JSON.
    pub payload: Bytes,
}

/// Why nothing is simulated.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum SimulationError {
    /// The contract knows no test numbers.
    #[error("the contract {0} has no test numbers")]
    None(String),
    /// The payload is none of a test.
    #[error("is not about a test number: the contract {0} simulates only where {1}")]
    NotATest(String, String),
    /// The payload names no number.
    #[error("has no number to simulate; it is a text")]
    NoNumber,
    /// The contract has nothing for this number.
    #[error("{0:?} is no test number; the contract has {1}")]
    Unknown(String, String),
    /// An expression failed.
    #[error("{0}")]
    Expression(String),
}

impl Contract {
    /// The messages that the number of this payload produces, in turn.
    ///
    /// # Errors
    /// When the contract simulates nothing, or not for this payload.
    pub fn simulate(&self, payload: &Bytes) -> Result<Vec<Simulated>, SimulationError> {
        let rules = self.simulation.as_ref().ok_or_else(|| SimulationError::None(self.name().to_owned()))?;
        let vars = Scope::new(vec![("payload".to_owned(), Json::whole(payload.clone()))]);
        if let Some(when) = &rules.when
            && !when.eval(vars.value()).map_err(SimulationError::Expression)?.is_true()
        {
            return Err(SimulationError::NotATest(self.name().to_owned(), when.source().to_owned()));
        }
        let number = rules.number.eval(vars.value()).map_err(SimulationError::Expression)?;
        let number = number.as_str().filter(|number| !number.is_empty()).ok_or(SimulationError::NoNumber)?.to_owned();
        let steps = rules.numbers.iter().find(|(name, _)| *name == number);
        let steps = steps.or_else(|| rules.numbers.iter().find(|(name, _)| name == OTHERS));
        let Some((_, steps)) = steps else {
            let known = rules.numbers.iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>().join(", ");
            return Err(SimulationError::Unknown(number, known));
        };
        let step = |fields: &Bytes| {
            let payload = STEP.eval(vars.with("step", Json::value(fields.clone())).value())?;
            let payload = Encoding::Json.encode(Tree::from_value(&payload)?).map_err(|error| error.to_string())?;
            Ok(Simulated { event_type: rules.event.clone(), payload })
        };
        steps.iter().map(step).collect::<Result<_, String>>().map_err(SimulationError::Expression)
    }
}
