//! Messages that name where they go: an endpoint, or an address of their own, which is remembered for later
//! messages about the same object.
//!
//! An address is an endpoint that no other message is routed to. It is made when a message names it first and goes
//! when it has long been named by none.

use crate::check::Problems;
use crate::{Accept, Caller, FieldProblem, MessageDraft, Refusal};
use postrider_contract::MessageView;
use postrider_store::config::{Change, Endpoint, EndpointSecrets, EndpointSettings};
use postrider_store::id::{AppId, EndpointId};
use postrider_store::{AppEntry, ChangeError, Secret, StoreError};
use sha2::{Digest, Sha256};

/// Addresses of one application.
const MOST: usize = 1_000;
const DAY_MS: i64 = 86_400_000;
/// How long an address is used for further messages that name it; after that they get a new one, and the old one can
/// go without taking anything with it.
const REUSED_MS: i64 = 15 * DAY_MS;
/// How long it is remembered what messages about an object go to.
const REMEMBERED_MS: i64 = 30 * DAY_MS;
/// Objects forgotten in one go.
const FORGOTTEN: usize = 10_000;

/// Where a message is to go, whatever endpoints filter by.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DeliverTo {
    /// To one of the application's endpoints, by id or uid.
    Endpoint(String),
    /// To an address of its own.
    Address { url: String, secret: Option<String> },
}

/// What a message is sent to instead of what would match.
#[derive(Clone, Debug, Default)]
pub(crate) struct Target {
    pub only: Option<EndpointId>,
    /// What the address is remembered for.
    pub object: Option<String>,
}

impl Accept {
    /// Where a message goes that names it, or that is about something whose address is remembered.
    pub(crate) async fn target(
        &self,
        caller: Caller,
        entry: &AppEntry,
        draft: &MessageDraft,
    ) -> Result<Target, Refusal> {
        match &draft.deliver_to {
            Some(DeliverTo::Endpoint(name)) => {
                let (_, endpoint) =
                    self.endpoint(caller, &self.store.ids().text(entry.app.id), name).map_err(|_| {
                        FieldProblem::value(
                            "deliverTo.endpointId",
                            format!("{name:?} is no endpoint of this application"),
                        )
                    })?;
                if endpoint.settings.disabled {
                    return Err(crate::message::disabled());
                }
                Ok(Target { only: Some(endpoint.id), object: None })
            }
            Some(DeliverTo::Address { url, secret }) => {
                let object = self.object(entry, draft)?;
                Ok(Target { only: Some(self.address(entry, url, secret.as_deref()).await?), object })
            }
            None if !entry.endpoints.values().any(|endpoint| endpoint.settings.addressed) => Ok(Target::default()),
            None => {
                // About what has no name nobody has said anything.
                let Ok(Some(object)) = self.object(entry, draft) else { return Ok(Target::default()) };
                let since_ms = self.clock.wall_ms() - REMEMBERED_MS;
                let known = self.store.address(entry.app.id, object, since_ms).await?;
                let only = known.filter(|id| entry.endpoints.get(id).is_some_and(|row| !row.settings.disabled));
                Ok(Target { only, object: None })
            }
        }
    }

    /// What the message is about, as the application's contract sees it.
    fn object(&self, entry: &AppEntry, draft: &MessageDraft) -> Result<Option<String>, Refusal> {
        let view = MessageView {
            id: "",
            event_type: &draft.event_type,
            event_id: draft.event_id.as_deref(),
            payload: &draft.payload,
            created_ms: self.clock.wall_ms(),
        };
        let object = self.contract(self.contract_of(entry))?.object(&view);
        object.map_err(|error| FieldProblem::value("payload", error.to_string()).into())
    }

    pub(crate) fn contract_of<'a>(&'a self, entry: &'a AppEntry) -> &'a str {
        entry.app.settings.contract.as_ref().unwrap_or(&self.rules.default_contract)
    }

    /// The endpoint that stands for an address, made if need be.
    async fn address(&self, entry: &AppEntry, url: &str, secret: Option<&str>) -> Result<EndpointId, Refusal> {
        let now_ms = self.clock.wall_ms();
        let contract = self.contract(self.contract_of(entry))?;
        let uid = uid(contract.name(), url, secret, now_ms);
        match entry.endpoint_by_uid(&uid) {
            Some(known) if known.settings.disabled => return Err(crate::message::disabled()),
            Some(known) => return Ok(known.id),
            None => {}
        }
        let mut problems = Problems::default();
        problems.check("deliverTo.url", self.check_url(contract, url));
        problems.check(
            "deliverTo.secret",
            match secret {
                Some(secret) => contract.secrets().check(secret),
                None if contract.address_needs_secret() => {
                    Err(format!("is needed by the contract {}", contract.name()))
                }
                None => Ok(()),
            },
        );
        problems.done()?;
        if entry.endpoints.values().filter(|row| row.settings.addressed).count() >= MOST {
            let detail = format!(
                "the application's messages have named {MOST} addresses of their own within the last weeks; delete \
                 some (GET …/endpoint?addressed=true), or use endpoints"
            );
            return Err(Refusal::TooMany { code: "too_many_addresses", detail });
        }
        let id = self.store.new_id();
        let settings = EndpointSettings {
            url: url.to_owned(),
            contract: contract.name().to_owned(),
            addressed: true,
            ..EndpointSettings::default()
        };
        let endpoint = Endpoint {
            id: EndpointId(id),
            app: entry.app.id,
            uid: Some(uid),
            settings,
            secrets: EndpointSecrets { current: secret.map(Secret::new), ..EndpointSecrets::default() },
            headers: [].into(),
            failing_since_ms: None,
            created_ms: now_ms,
            updated_ms: now_ms,
            version: id,
        };
        match self.store.change(entry.app.id, Change::CreateEndpoint(endpoint), None).await {
            // Or another message named it at the same time. The caller routes anew, and finds it.
            Ok(_) | Err(ChangeError::Taken) => {
                self.store.fresh().await?;
                Ok(EndpointId(id))
            }
            Err(error) => Err(error.into()),
        }
    }

    /// Forgets what messages about objects went to, and addresses, that have long been named by none.
    pub async fn forget_addresses(&self) -> Result<(), StoreError> {
        let before_ms = self.clock.wall_ms() - REMEMBERED_MS;
        let failed = |error| match error {
            ChangeError::Store(error) => error,
            other => StoreError::Database(other.to_string()),
        };
        loop {
            let change = Change::ForgetAddresses { before_ms, limit: FORGOTTEN };
            match self.store.change(AppId(0), change, None).await {
                Ok(_) => {}
                // There were none.
                Err(ChangeError::NotFound) => break,
                Err(error) => return Err(failed(error)),
            }
        }
        let directory = self.store.directory();
        for endpoint in directory.addressed_before(before_ms - 2 * REUSED_MS) {
            if !self.store.has_nothing(endpoint.id).await? {
                continue;
            }
            let change = Change::DeleteEndpoint { endpoint: endpoint.id, version: self.store.new_id() };
            match self.store.change(endpoint.app, change, None).await {
                Ok(_) | Err(ChangeError::NotFound) => {}
                Err(error) => return Err(failed(error)),
            }
        }
        Ok(())
    }
}

/// What an address goes by: the same for the same within some days. No endpoint that is made by hand can have it,
/// because of its colons.
fn uid(contract: &str, url: &str, secret: Option<&str>, now_ms: i64) -> String {
    let mut hash = Sha256::new();
    for part in [contract, url, secret.unwrap_or_default(), if secret.is_some() { "1" } else { "0" }] {
        hash.update(part.len().to_be_bytes());
        hash.update(part);
    }
    let hash: String = hash.finalize()[..16].iter().map(|byte| format!("{byte:02x}")).collect();
    format!("postrider:address:{}:{hash}", now_ms / REUSED_MS)
}
