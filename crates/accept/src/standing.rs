//! How an endpoint's deliveries stand.

use crate::{Accept, Caller, FieldProblem, Refusal};
use postrider_store::id::first_of_ms;
use postrider_store::message::Standing;

/// How far back is counted where nothing else is said.
const WINDOW_MS: i64 = 28 * 86_400_000;

impl Accept {
    /// Counts the deliveries that an endpoint got attempts of in a time (epoch ms, from the first up to, not
    /// with, the second), and those that wait.
    pub async fn standing(
        &self,
        caller: Caller,
        (app, endpoint): (&str, &str),
        (since_ms, until_ms): (Option<i64>, Option<i64>),
    ) -> Result<Standing, Refusal> {
        let (_, endpoint) = self.endpoint(caller, app, endpoint)?;
        Ok(self.store.standing(endpoint.id, self.ids_of(since_ms, until_ms)?).await?)
    }

    /// Counts the attempts of an endpoint in a time, each by itself.
    pub async fn attempted(
        &self,
        caller: Caller,
        (app, endpoint): (&str, &str),
        (since_ms, until_ms): (Option<i64>, Option<i64>),
    ) -> Result<Standing, Refusal> {
        let (_, endpoint) = self.endpoint(caller, app, endpoint)?;
        Ok(self.store.attempted(endpoint.id, self.ids_of(since_ms, until_ms)?).await?)
    }

    /// The ids that attempts of a time have.
    fn ids_of(&self, since_ms: Option<i64>, until_ms: Option<i64>) -> Result<(i64, i64), Refusal> {
        let now_ms = self.clock.wall_ms();
        let until_ms = until_ms.unwrap_or(now_ms + 1);
        let since_ms = since_ms.unwrap_or(until_ms.min(now_ms) - WINDOW_MS);
        if since_ms >= until_ms {
            let loc = vec!["query".to_owned(), "until".to_owned()];
            let msg = "must be later than since".to_owned();
            return Err(FieldProblem { loc, msg, kind: "value_error" }.into());
        }
        // An attempt may be recorded a moment after its time.
        Ok((first_of_ms(since_ms), if until_ms > now_ms { i64::MAX } else { first_of_ms(until_ms) }))
    }
}
