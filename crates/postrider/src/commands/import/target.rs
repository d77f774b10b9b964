//! Where it goes: a Postrider, through its API.

use super::records::{EventType, Headers, Record};
use super::report::Placed;
use crate::client::{Client, ClientError, ServerArgs};
use postrider_store::Secret;
use serde::Deserialize;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use thiserror::Error;
use url::Url;

/// What Svix sends is what this contract says.
const CONTRACT: &str = "svix";
/// Answers to what is wrong with one thing and may be right with the next: it can't be read, it is taken, it is too
/// large, there are too many.
const OF_ITS_OWN: [u16; 4] = [400, 409, 413, 429];
/// How a field that is wrong begins in [`ClientError::Invalid`].
const WRONG_CONTRACT: &str = "contract: ";

/// Why Postrider could not be written to, in words for the person at the terminal.
#[derive(Debug, Error)]
pub enum TargetError {
    #[error("no API key to call {0} with; set POSTRIDER_TOKEN to one, or give --api-key")]
    NoKey(Url),
    #[error("{0} does not know this API key; set POSTRIDER_TOKEN to one that it knows, or give --api-key")]
    WrongKey(Url),
    #[error("this API key may not do it ({0}); make one with `postrider key create import`, and give it as --api-key")]
    Forbidden(String),
    #[error("{0} is not a Postrider server; --url takes the one to write to, --from the one to read")]
    Foreign(Url),
    #[error("an endpoint's contract is none of the target's ({0}); give it one with `postrider serve --contracts DIR`")]
    Contract(String),
    #[error(transparent)]
    Client(Box<ClientError>),
}

impl From<ClientError> for TargetError {
    /// The same, with the names of this command's flags.
    fn from(error: ClientError) -> TargetError {
        match error {
            ClientError::NoToken(url) => TargetError::NoKey(url),
            ClientError::Unauthorized(url) => TargetError::WrongKey(url),
            ClientError::Refused { status: 403, detail, .. } => TargetError::Forbidden(detail),
            other => TargetError::Client(Box::new(other)),
        }
    }
}

/// Writes into one server; in a dry run it only looks.
#[derive(Debug)]
pub struct Target {
    client: Client,
    dry_run: bool,
}

/// API keys, as a Postrider lists them.
#[derive(Deserialize)]
struct Keys {
    #[serde(rename = "data")]
    _data: Vec<Value>,
}

impl Target {
    /// A server that lists its API keys is a Postrider. With the two URLs swapped, a Svix would be written to.
    pub fn new(url: &Url, api_key: Option<String>, dry_run: bool) -> Result<Target, TargetError> {
        let client = Client::new(&ServerArgs { url: url.clone(), token: api_key, json: false })?;
        match client.get(&["key"], &[]) {
            Ok(keys) => {
                client.read::<Keys>(&keys)?;
                Ok(Target { client, dry_run })
            }
            Err(ClientError::Refused { status: 404, .. }) => Err(TargetError::Foreign(url.clone())),
            Err(error) => Err(error.into()),
        }
    }

    pub fn event_type(&self, event_type: &EventType) -> Result<Placed, TargetError> {
        let path = ["event-type", event_type.name.as_str()];
        let placed = if self.has(&path)? { Placed::There } else { Placed::Made };
        if self.dry_run {
            return Ok(placed);
        }
        judged(placed, self.client.put(&path, json!(event_type).to_string()))
    }

    pub fn application(&self, app: &Record) -> Result<Placed, TargetError> {
        let path = ["app", app.key.as_str()];
        let placed = if self.has(&path)? { Placed::There } else { Placed::Made };
        if self.dry_run {
            return Ok(placed);
        }
        let written = match placed {
            Placed::There => self.client.patch(&path, app.changes().to_string()),
            _ => self.client.post(&["app"], &[], json!(app.fields).to_string()),
        };
        judged(placed, written)
    }

    pub fn has_endpoint(&self, app: &str, endpoint: &str) -> Result<bool, TargetError> {
        self.has(&["app", app, "endpoint", endpoint])
    }

    pub fn headers(&self, app: &str, endpoint: &str) -> Result<Headers, TargetError> {
        let headers = self.client.get(&["app", app, "endpoint", endpoint, "headers"], &[])?;
        Ok(self.client.read(&headers)?)
    }

    pub fn make_endpoint(
        &self,
        app: &str,
        endpoint: &Record,
        secret: Option<&Secret>,
        headers: &BTreeMap<String, String>,
    ) -> Result<Placed, TargetError> {
        let secret = secret.map(Secret::reveal);
        if secret.is_some_and(|key| key.starts_with("whpk_")) {
            let reason = "the source shows its public key (whpk_…) alone, and nobody can sign with that. Make it with \
                          the signing key (whsk_…), or with a new secret that its receiver learns";
            return Ok(Placed::Refused(reason.to_owned()));
        }
        if self.dry_run {
            return Ok(Placed::Made);
        }
        let mut body = json!(endpoint.fields);
        // Another Postrider says which one it promised to the endpoint's owner.
        if body["contract"].is_null() {
            body["contract"] = json!(CONTRACT);
        }
        body["secret"] = json!(secret);
        body["headers"] = json!(headers);
        let written = self.client.post(&["app", app, "endpoint"], &[], body.to_string());
        if let Err(ClientError::Invalid(lines)) = &written
            && let Some(reason) = wrong_contract(lines)
        {
            return Err(TargetError::Contract(reason.to_owned()));
        }
        judged(Placed::Made, written)
    }

    fn has(&self, path: &[&str]) -> Result<bool, TargetError> {
        match self.client.get(path, &[]) {
            Ok(_) => Ok(true),
            Err(ClientError::Refused { status: 404, .. }) => Ok(false),
            Err(error) => Err(error.into()),
        }
    }
}

/// What came of writing it: something may be wrong with this one alone, or with all that would follow.
fn judged(placed: Placed, written: Result<String, ClientError>) -> Result<Placed, TargetError> {
    match written {
        Ok(_) => Ok(placed),
        Err(ClientError::Invalid(lines)) => Ok(Placed::Refused(in_one_line(&lines))),
        Err(ClientError::Refused { status, detail, .. }) if OF_ITS_OWN.contains(&status) => Ok(Placed::Refused(detail)),
        Err(error) => Err(error.into()),
    }
}

/// What is wrong with the contract. The same would be wrong with every endpoint.
fn wrong_contract(lines: &[String]) -> Option<&str> {
    lines.iter().find_map(|line| line.trim_start().strip_prefix(WRONG_CONTRACT))
}

fn in_one_line(lines: &[String]) -> String {
    lines.iter().map(|line| line.trim()).collect::<Vec<_>>().join("; ")
}
