//! Who is asking, and what for.

use crate::{Accept, Refusal};
use postrider_store::access::{Access, Capability, Scope};
use postrider_store::config::{ApiKey, EnvId};
use postrider_store::id::{AppId, KeyId};
use sha2::{Digest, Sha256};

/// An authenticated caller: a key of an environment, or a token of one of its applications.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Caller {
    pub env: EnvId,
    pub key: KeyId,
    /// The one application that is there for it; `None`: all of the environment.
    pub app: Option<AppId>,
    /// Finds the application of operational webhooks, which is hidden from everyone else.
    operational: bool,
    /// A bit for each [`Right`].
    rights: u16,
}

/// Whose share of something it is: all tokens of an application have one share, as do all uses of one API key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Holder {
    Application(AppId),
    Key(KeyId),
}

impl From<Caller> for Holder {
    fn from(caller: Caller) -> Holder {
        caller.app.map_or(Holder::Key(caller.key), Holder::Application)
    }
}

/// What a call is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Right {
    /// Send messages.
    Send,
    /// See what the environment has.
    LookAround,
    /// See what an application has, but secrets.
    LookIn,
    /// Change what the environment has.
    Manage,
    /// Change an application's endpoints.
    ManageEndpoints,
    SeeSecrets,
    RotateSecrets,
    /// Send again, or send an example.
    Resend,
    /// Change an endpoint's templates and its query.
    Customize,
}

impl Right {
    const ALL: [Right; 9] = [
        Right::Send,
        Right::LookAround,
        Right::LookIn,
        Right::Manage,
        Right::ManageEndpoints,
        Right::SeeSecrets,
        Right::RotateSecrets,
        Right::Resend,
        Right::Customize,
    ];

    /// For an error: what the caller would need.
    fn needed(self) -> &'static str {
        match self {
            Right::Send => "sending messages needs an API key with the scope \"all\" or \"send\"",
            Right::LookAround => "this needs an API key with the scope \"all\" or \"read\"",
            Right::LookIn => {
                "looking at an application needs an API key with the scope \"all\" or \"read\", or a token of it"
            }
            Right::Manage => "this needs an API key with the scope \"all\"",
            Right::ManageEndpoints => {
                "changing endpoints needs an API key with the scope \"all\", or a token with the capability ManageEndpoint"
            }
            Right::SeeSecrets => {
                "seeing a secret needs an API key with the scope \"all\", or a token with the capability ViewEndpointSecret"
            }
            Right::RotateSecrets => {
                "rotating a secret needs an API key with the scope \"all\", or a token with the capability ManageEndpointSecret"
            }
            Right::Resend => {
                "sending again needs an API key with the scope \"all\", or a token with the capability CreateAttempts"
            }
            Right::Customize => {
                "changing templates and queries needs an API key with the scope \"all\", or a token with the capability ManageTransformations"
            }
        }
    }

    fn bit(self) -> u16 {
        1 << self as u16
    }

    fn is_given_by(self, access: &Access, to_one_app: bool) -> bool {
        if !to_one_app {
            return match access.scope {
                Scope::All => true,
                Scope::Read => matches!(self, Right::LookAround | Right::LookIn),
                Scope::Send => self == Right::Send,
            };
        }
        let has = |capability| access.capabilities.contains(&capability);
        match self {
            Right::Send | Right::LookAround | Right::Manage => false,
            Right::LookIn => true,
            Right::ManageEndpoints => has(Capability::ManageEndpoint),
            Right::SeeSecrets => {
                has(Capability::ViewEndpointSecret)
                    || has(Capability::ManageEndpointSecret)
                    || has(Capability::ManageEndpoint)
            }
            Right::RotateSecrets => has(Capability::ManageEndpointSecret) || has(Capability::ManageEndpoint),
            Right::Resend => has(Capability::CreateAttempts),
            Right::Customize => has(Capability::ManageTransformations),
        }
    }
}

impl Caller {
    fn of(key: &ApiKey) -> Caller {
        let given = Right::ALL.into_iter().filter(|right| right.is_given_by(&key.access, key.app.is_some()));
        let rights = given.fold(0, |rights, right| rights | right.bit());
        Caller { env: key.env, key: key.id, app: key.app, operational: false, rights }
    }

    /// The same, for whom the application of operational webhooks is there.
    pub(crate) fn for_operations(self) -> Caller {
        Caller { operational: true, ..self }
    }

    pub(crate) fn is_for_operations(&self) -> bool {
        self.operational
    }

    pub fn may(&self, right: Right) -> bool {
        self.rights & right.bit() != 0
    }

    /// Refuses what the caller may not do, and says what it would need.
    pub fn need(&self, right: Right) -> Result<(), Refusal> {
        if self.may(right) {
            return Ok(());
        }
        Err(Refusal::Forbidden { code: "not_allowed", detail: right.needed().to_owned() })
    }
}

impl Accept {
    /// Whether the caller's environment refuses what others are warned of.
    pub fn is_strict(&self, caller: Caller) -> bool {
        self.store.directory().environment(caller.env).is_some_and(|row| row.settings.strict)
    }

    /// The caller with this API key or token; `None` when there is none, or it is no longer in force.
    ///
    /// Keys are found by their hash, so the time this takes says nothing about any key.
    pub fn authenticate(&self, key: &str) -> Option<Caller> {
        let directory = self.store.directory();
        let row = directory.key(&hash(key)).or_else(|| directory.key(&restricted_hash(key)))?;
        row.is_in_force(self.clock.wall_ms()).then(|| Caller::of(&row))
    }
}

/// What the store keeps of a key. Keys are long and random, so a plain hash is enough.
pub fn hash(key: &str) -> [u8; 32] {
    Sha256::digest(key.as_bytes()).into()
}

/// What the store keeps of a key that may not do everything: another hash, so that an older version on the
/// same database, which knows of no such keys, takes it for no key at all.
pub fn restricted_hash(key: &str) -> [u8; 32] {
    let mut hash = Sha256::new();
    hash.update(b"restricted\0");
    hash.update(key);
    hash.finalize().into()
}
