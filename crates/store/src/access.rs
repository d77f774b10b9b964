//! What may be done with an API key or a token.

use crate::config::Identity;
use serde::{Deserialize, Serialize};

/// A key's rights, before it is known what is asked for.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Access {
    pub scope: Scope,
    /// Of a token of one application: what it may do beside looking.
    pub capabilities: Vec<Capability>,
    /// Event types with one of these flags are shown to it, beside those without flags.
    pub feature_flags: Vec<String>,
    /// Whom a token was made for.
    pub identity: Identity,
}

/// What the sessions of keys begin with that last until they are replaced: callers' own sessions have no colon in front.
pub const LASTING: &str = ":";

/// How far a key of an environment goes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Scope {
    #[default]
    All,
    /// Looking, at everything but secrets.
    Read,
    /// Sending messages, and nothing else.
    Send,
}

/// What a token of one application may do, as its provider decided.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Capability {
    ViewBase,
    ViewEndpointSecret,
    ManageEndpointSecret,
    ManageTransformations,
    CreateAttempts,
    ManageEndpoint,
}

impl Capability {
    pub const ALL: [Capability; 6] = [
        Capability::ViewBase,
        Capability::ViewEndpointSecret,
        Capability::ManageEndpointSecret,
        Capability::ManageTransformations,
        Capability::CreateAttempts,
        Capability::ManageEndpoint,
    ];
}
