//! What a provider sets up: environments, applications, endpoints, event types and API keys.
//!
//! All of it is small and lives in memory too (see [`crate::directory`]). Each row carries a
//! `version`, the id of its last change: an update names the version it was based on, so two
//! changes at once can't overwrite each other unseen.

use crate::access::Access;
pub use crate::change::Change;
pub use crate::id::EnvId;
use crate::id::{AppId, EndpointId, IntegrationId, KeyId};
use crate::secret::Secret;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// A provider's top-level space.
#[derive(Clone, Debug, PartialEq)]
pub struct Environment {
    pub id: EnvId,
    pub settings: EnvironmentSettings,
    pub name: String,
    pub created_ms: i64,
    pub updated_ms: i64,
    pub version: i64,
}

/// What can be changed of an environment, but its name.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct EnvironmentSettings {
    /// Days to keep messages that don't say it themselves; `None`: as the operator says.
    pub retention_days: Option<u16>,
    /// What its messages are sent through; `None`: as the operator says. Stored sealed.
    #[serde(skip)]
    pub proxy: Option<EnvironmentProxy>,
}

/// A proxy for deliveries.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct EnvironmentProxy {
    /// With user and password.
    pub url: Secret,
    /// What is sent to directly: host names with those below them, addresses, networks, `*`.
    pub no_proxy: Vec<String>,
}

/// One customer of the provider.
#[derive(Clone, Debug, PartialEq)]
pub struct Application {
    pub id: AppId,
    pub env: EnvId,
    /// The provider's own name for it, unique in the environment.
    pub uid: Option<String>,
    pub settings: ApplicationSettings,
    pub created_ms: i64,
    pub updated_ms: i64,
    pub version: i64,
}

/// What can be changed of an application.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct ApplicationSettings {
    pub name: String,
    /// The contract of endpoints that name none; `None`: the server's default.
    pub contract: Option<String>,
    /// Messages a second to all its endpoints together.
    pub throttle_rate: Option<u16>,
    /// Who is told by mail when one of its endpoints fails.
    pub notify_emails: Vec<String>,
    pub metadata: BTreeMap<String, String>,
    /// Third parties with a key of their own.
    pub integrations: Vec<Integration>,
}

/// A third party that looks after an application's endpoints.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Integration {
    pub id: IntegrationId,
    pub name: String,
    pub feature_flags: Vec<String>,
    pub created_ms: i64,
    pub updated_ms: i64,
}

/// Where an application's messages go, and how.
#[derive(Clone, Debug, PartialEq)]
pub struct Endpoint {
    pub id: EndpointId,
    pub app: AppId,
    pub uid: Option<String>,
    pub settings: EndpointSettings,
    pub secrets: EndpointSecrets,
    /// Sent with every request, after the contract's own.
    pub headers: BTreeMap<String, String>,
    /// Since when nothing but failures came back, epoch ms.
    pub failing_since_ms: Option<i64>,
    pub created_ms: i64,
    pub updated_ms: i64,
    pub version: i64,
}

/// What can be changed of an endpoint, but its secrets and headers.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct EndpointSettings {
    /// As it was given; `delivery` parses it anew for each attempt's connection.
    pub url: String,
    pub description: String,
    /// Exact names and patterns; empty: every type.
    pub event_types: Vec<String>,
    /// Empty: every channel.
    pub channels: Vec<String>,
    pub metadata: BTreeMap<String, String>,
    /// Attempts a second.
    pub throttle_rate: Option<u16>,
    pub disabled: bool,
    pub contract: String,
    /// JSON with operators, checked when it was set.
    pub payload_filter: Option<serde_json::Value>,
    pub max_concurrency: Option<u16>,
    pub timeout_seconds: Option<u8>,
    /// Seconds between attempts; `Some([])`: no retry; `None`: as the contract says.
    pub retry_schedule: Option<Vec<u32>>,
    pub content_type: Option<String>,
    /// GraphQL whose result replaces the body, run at each attempt.
    pub query: Option<String>,
    /// On whose behalf the query runs: whoever gave it.
    pub query_as: Identity,
    /// Liquid: whether a message is sent.
    pub validation_template: Option<String>,
    /// Liquid: the body.
    pub template: Option<String>,
    /// Liquid: what is wrong with a response that looks like success.
    pub error_template: Option<String>,
    /// Who is told by mail when it fails, beside those of its application.
    pub notify_emails: Vec<String>,
    /// Its place in the chain of those that see a message one after the other, the lowest first; `None`: it sees
    /// every message, whatever others do.
    pub priority: Option<u32>,
    /// What is done with a message, in order; empty: the request alone.
    pub actions: Vec<Action>,
    /// Only messages that name it go there.
    pub addressed: bool,
    /// It gets one message at a time, in the order in which they were accepted.
    pub ordered: bool,
    /// Its messages are pulled; none is sent.
    pub poll: bool,
}

/// One of the things that are done with a message.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Action {
    /// The request to the endpoint's URL.
    NotifyWebhook,
    /// A line for people; `[[name]]` stands for a variable.
    LogMessage { text: String },
}

/// Whom the provider made a token for, in its own names.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Identity {
    pub user: Option<String>,
    pub organization: Option<String>,
}

/// What of an endpoint is encrypted at rest.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct EndpointSecrets {
    /// The secret in force and those still honoured after a rotation.
    pub current: Option<Secret>,
    pub old: Vec<OldSecret>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tls: Option<EndpointTls>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub oauth: Option<OAuthClient>,
}

/// How connections to an endpoint are secured, beside what holds for all.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct EndpointTls {
    pub client: Option<ClientCertificate>,
    /// PEM: the authorities that the endpoint's certificate may come from, instead of those of the system.
    pub authorities: Option<String>,
}

/// What a connection shows of itself to a server that asks for a certificate.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClientCertificate {
    /// PEM, the client's own certificate first.
    pub chain: String,
    /// PEM.
    pub key: Secret,
}

/// Where access tokens for an endpoint come from: the client credentials grant of OAuth 2.0 (RFC 6749, section 4.4).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OAuthClient {
    pub token_url: String,
    pub client_id: String,
    pub client_secret: Secret,
    pub scopes: Vec<String>,
    /// Some servers want to know whom the token is for.
    pub audience: Option<String>,
    pub authentication: ClientAuthentication,
}

/// How a client shows a token server who it is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ClientAuthentication {
    /// `client_secret_basic`: a header.
    #[default]
    Basic,
    /// `client_secret_post`: fields of the request.
    Post,
}

/// A rotated secret that still signs until its time is over.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct OldSecret {
    pub secret: Secret,
    pub until_ms: i64,
}

impl EndpointSecrets {
    /// The secrets to sign with at `now_ms`, the current one first.
    pub fn in_force(&self, now_ms: i64) -> Vec<String> {
        let old = self.old.iter().filter(|old| old.until_ms > now_ms).map(|old| &old.secret);
        self.current.iter().chain(old).map(|secret| secret.reveal().to_owned()).collect()
    }
}

/// A registry entry with schemas.
#[derive(Clone, Debug, PartialEq)]
pub struct EventType {
    pub env: EnvId,
    pub name: String,
    pub settings: EventTypeSettings,
    pub created_ms: i64,
    pub updated_ms: i64,
    pub version: i64,
}

/// What can be changed of an event type.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct EventTypeSettings {
    pub description: String,
    pub archived: bool,
    pub deprecated: bool,
    /// What versions before the list of flags kept; the first of the list, so that they still find it.
    pub feature_flag: Option<String>,
    /// Who has none of these doesn't see it; empty: everybody does.
    pub feature_flags: Vec<String>,
    pub group_name: Option<String>,
    pub schemas: Option<serde_json::Value>,
    pub validation: Validation,
}

/// What becomes of a payload that does not fit its schema.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Validation {
    /// It is not looked at.
    #[default]
    Off,
    /// It is accepted, and the answer says what is wrong.
    Warn,
    /// It is refused.
    Enforce,
}

impl EventTypeSettings {
    /// The flags, whichever version wrote them.
    pub fn flags(&self) -> Vec<String> {
        match &self.feature_flag {
            Some(flag) if self.feature_flags.is_empty() => vec![flag.clone()],
            _ => self.feature_flags.clone(),
        }
    }
}

/// A credential of an environment, or of one of its applications, stored as its hash alone.
#[derive(Clone, Debug, PartialEq)]
pub struct ApiKey {
    pub id: KeyId,
    pub env: EnvId,
    pub name: String,
    /// Of the key, see `postrider_accept`.
    pub hash: [u8; 32],
    pub access: Access,
    /// The one application that it opens; `None`: all of the environment.
    pub app: Option<AppId>,
    /// What it was made for, so that all such can be ended together.
    pub session: Option<String>,
    pub created_ms: i64,
    pub expires_ms: Option<i64>,
    pub revoked_ms: Option<i64>,
}

impl ApiKey {
    pub fn is_in_force(&self, now_ms: i64) -> bool {
        self.revoked_ms.is_none() && self.expires_ms.is_none_or(|at| now_ms < at)
    }
}
