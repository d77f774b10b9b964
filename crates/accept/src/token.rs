//! Tokens of one application: what a portal link carries.
//!
//! A token opens one application, for a time, and only as far as its provider said. It never sends
//! messages, and never changes what the provider decides of an endpoint (see `decided`).

use crate::caller::restricted_hash;
use crate::check::{self, Problems};
use crate::integration::session;
use crate::key::random_key;
use crate::{Accept, Caller, MadeKey, Refusal};
use postrider_store::access::{Access, Capability, Scope};
use postrider_store::config::{ApiKey, Change, Identity};

/// Tokens of one application that are kept at once, in force or not.
const MOST: usize = 10_000;
const SHORTEST_SECONDS: i64 = 3_600;
const LONGEST_SECONDS: i64 = 7 * 86_400;

/// What a caller gives of a token.
#[derive(Clone, Debug, Default)]
pub struct TokenDraft {
    /// `None`: all.
    pub capabilities: Option<Vec<Capability>>,
    /// Takes back all but looking.
    pub read_only: bool,
    pub feature_flags: Vec<String>,
    /// Seconds that it is in force; `None`: seven days.
    pub expiry: Option<i64>,
    pub session: Option<String>,
    /// Whom it is for: payload queries run on their behalf.
    pub identity: Identity,
}

impl Accept {
    /// Makes a token for an application.
    pub async fn create_token(&self, caller: Caller, app: &str, draft: TokenDraft) -> Result<MadeKey, Refusal> {
        check_token(&draft)?;
        let entry = self.application(caller, app)?;
        if self.store.directory().token_count(entry.app.id) >= MOST {
            return Err(Refusal::TooMany {
                code: "too_many_tokens",
                detail: format!(
                    "the application has {MOST} tokens; end some first (POST /api/v1/auth/app/…/expire-all)"
                ),
            });
        }
        let capabilities = match (draft.read_only, draft.capabilities) {
            (true, _) => vec![Capability::ViewBase],
            (false, Some(capabilities)) => capabilities,
            (false, None) => Capability::ALL.to_vec(),
        };
        let key = random_key("appsk_");
        let base = self.key_row(caller.env, "app portal", restricted_hash(&key));
        let row = ApiKey {
            access: Access {
                scope: Scope::Read,
                capabilities,
                feature_flags: draft.feature_flags,
                identity: draft.identity,
            },
            app: Some(entry.app.id),
            session: draft.session,
            expires_ms: Some(base.created_ms + draft.expiry.unwrap_or(LONGEST_SECONDS) * 1_000),
            ..base
        };
        self.add_key(row, &key).await
    }

    /// Ends an application's tokens (those of these sessions, if any are named), at once or in so many
    /// seconds.
    pub async fn expire_tokens(
        &self,
        caller: Caller,
        app: &str,
        seconds: Option<i64>,
        sessions: Vec<String>,
    ) -> Result<(), Refusal> {
        if seconds.is_some_and(|seconds| !(0..=LONGEST_SECONDS).contains(&seconds)) {
            let msg = format!("must be 0 to {LONGEST_SECONDS} seconds");
            return Err(crate::FieldProblem::value("expiry", msg).into());
        }
        let app = self.application(caller, app)?.app.id;
        let at_ms = self.clock.wall_ms() + seconds.unwrap_or(0) * 1_000;
        self.store.change(app, Change::ExpireTokens { app, sessions, at_ms }, None).await?;
        Ok(())
    }

    /// Ends the token that the caller came with.
    pub async fn log_out(&self, caller: Caller) -> Result<(), Refusal> {
        if caller.app.is_none() {
            return Err(Refusal::Forbidden {
                code: "not_a_token",
                detail: "only a token of an application logs out; an API key is revoked (DELETE /api/v1/key/…)".into(),
            });
        }
        self.revoke(caller.key).await
    }

    /// The flags of the event types that the caller gets to see beside those without; `None`: all of them.
    pub fn feature_flags(&self, caller: Caller) -> Option<Vec<String>> {
        let app = self.store.directory().app(caller.app?)?;
        let key = self.store.directory().key_by_id(caller.key)?;
        // Those of an integration are as they are now, whatever they were when it got its key.
        let integration = app.app.settings.integrations.iter().find(|one| key.session == Some(session(one.id)));
        Some(integration.map_or(&key.access.feature_flags, |one| &one.feature_flags).clone())
    }
}

impl Accept {
    /// Whom the caller's token was made for; nobody in particular, for an API key.
    pub fn identity(&self, caller: Caller) -> Identity {
        self.store.directory().key_by_id(caller.key).map(|key| key.access.identity.clone()).unwrap_or_default()
    }
}

fn check_token(draft: &TokenDraft) -> Result<(), Refusal> {
    let mut problems = Problems::default();
    if let Some(capabilities) = &draft.capabilities
        && !capabilities.contains(&Capability::ViewBase)
    {
        problems.add("capabilities", "must have ViewBase among them");
    }
    problems.check("featureFlags", check::list(&draft.feature_flags, 100));
    for (n, flag) in draft.feature_flags.iter().enumerate() {
        problems.check(&format!("featureFlags.{n}"), check::name(flag, 256, ""));
    }
    if draft.expiry.is_some_and(|seconds| !(SHORTEST_SECONDS..=LONGEST_SECONDS).contains(&seconds)) {
        problems.add("expiry", format!("must be {SHORTEST_SECONDS} (an hour) to {LONGEST_SECONDS} (7 days) seconds"));
    }
    if let Some(session) = &draft.session {
        problems.check("sessionId", check::title(session, 256));
    }
    for (field, value) in [("user", &draft.identity.user), ("organization", &draft.identity.organization)] {
        let plain =
            |text: &str| (1..=256).contains(&text.len()) && text.bytes().all(|byte| (b'!'..=b'~').contains(&byte));
        if value.as_ref().is_some_and(|text| !plain(text)) {
            problems.add(field, "must have 1 to 256 printable ASCII characters and no spaces: it is sent as a header");
        }
    }
    problems.done()
}
