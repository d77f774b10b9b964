//! Failures of an endpoint, as a list that people work through: what they have done with, they take off it.

use crate::{Accept, Caller, Refusal};
use postrider_store::config::Change;
use postrider_store::id::{AttemptId, EndpointId};
use postrider_store::message::Attempt;
use postrider_store::query::{AttemptFilter, AttemptsOf, Found, Page};

impl Accept {
    /// A page of the failures of an endpoint that nobody has done with.
    pub async fn failures(
        &self,
        caller: Caller,
        (app, endpoint): (&str, &str),
        filter: AttemptFilter,
        page: Page,
    ) -> Result<Found<Attempt>, Refusal> {
        let (_, endpoint) = self.endpoint(caller, app, endpoint)?;
        let filter = AttemptFilter { success: Some(false), uncleared: true, ..filter };
        Ok(self.store.attempts(AttemptsOf::Endpoint(endpoint.id), filter, page).await?)
    }

    /// One of them.
    pub async fn failure(&self, caller: Caller, (app, endpoint): (&str, &str), id: &str) -> Result<Attempt, Refusal> {
        let (_, endpoint) = self.endpoint(caller, app, endpoint)?;
        let none = || Refusal::none("error", id);
        let known = self.store.ids().parse::<AttemptId>(id).ok_or_else(none)?;
        self.find_failure(endpoint.id, known).await?.ok_or_else(none)
    }

    /// Takes one off the list; its attempt stays.
    pub async fn clear_failure(&self, caller: Caller, (app, endpoint): (&str, &str), id: &str) -> Result<(), Refusal> {
        let attempt = self.failure(caller, (app, endpoint), id).await?;
        let app = self.application(caller, app)?.app.id;
        let change = Change::ClearAttempt { message: attempt.message, attempt: attempt.id };
        self.store.change(app, change, None).await?;
        Ok(())
    }

    /// The one with this id is the first at or below it.
    async fn find_failure(&self, endpoint: EndpointId, id: AttemptId) -> Result<Option<Attempt>, Refusal> {
        let page = Page { limit: 1, after: Some(id.0.saturating_add(1)), ascending: false, content: true };
        let filter = AttemptFilter { success: Some(false), uncleared: true, ..AttemptFilter::default() };
        let found = self.store.attempts(AttemptsOf::Endpoint(endpoint), filter, page).await?;
        Ok(found.rows.into_iter().next().filter(|attempt| attempt.id == id))
    }
}
