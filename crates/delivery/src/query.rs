//! Payload queries: an endpoint's GraphQL, asked of the API that the operator named.

use bytes::Bytes;
use postrider_egress::{Call, Egress, SendError};
use postrider_store::config::Identity;
use serde::Deserialize;
use serde_json::value::RawValue;
use std::time::Duration;

/// From connecting to the last byte of the answer.
const DEADLINE: Duration = Duration::from_secs(10);

/// The provider's GraphQL API. Its egress opens what the operator configured, and is used for nothing else.
#[derive(Clone, Debug)]
pub struct GraphQl {
    pub egress: Egress,
    pub url: String,
    /// Sent as `Authorization: Bearer …`.
    pub token: Option<String>,
}

/// One question.
#[derive(Clone, Copy, Debug)]
pub struct Question<'a> {
    pub query: &'a str,
    /// A JSON object.
    pub variables: &'a Bytes,
    /// On whose behalf.
    pub identity: &'a Identity,
    /// The application whose endpoint it is: its uid, or its id.
    pub application: &'a str,
}

#[derive(Deserialize)]
struct Answer<'a> {
    #[serde(borrow)]
    data: Option<&'a RawValue>,
    #[serde(default)]
    errors: Vec<Failure>,
}

#[derive(Deserialize)]
struct Failure {
    #[serde(default)]
    message: String,
}

impl GraphQl {
    /// `{"data": …}` as the API gave it; or why there is none.
    pub async fn ask(&self, question: Question<'_>) -> Result<Bytes, String> {
        let query = serde_json::Value::from(question.query);
        let variables = String::from_utf8_lossy(question.variables);
        let body = format!(r#"{{"query":{query},"variables":{variables}}}"#);
        let mut headers = vec![
            ("Content-Type".to_owned(), "application/json".to_owned()),
            ("Accept".to_owned(), "application/json".to_owned()),
            ("X-Postrider-Application".to_owned(), question.application.to_owned()),
        ];
        let optional = [
            ("X-Postrider-User", question.identity.user.clone()),
            ("X-Postrider-Organization", question.identity.organization.clone()),
            ("Authorization", self.token.as_ref().map(|token| format!("Bearer {token}"))),
        ];
        headers.extend(optional.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?))));
        let call = Call {
            url: &self.url,
            headers: &headers,
            body: Bytes::from(body),
            tls: None,
            proxy: None,
            deadline: DEADLINE,
        };
        let reply = self.egress.send(call).await.map_err(|error| unanswered(&error))?;
        if !reply.status.is_success() {
            return Err(format!("the GraphQL API answered {}", reply.status));
        }
        let answer: Answer<'_> = serde_json::from_slice(&reply.body)
            .map_err(|error| format!("the GraphQL API's answer is not the JSON of a result ({error})"))?;
        if let Some(failure) = answer.errors.first() {
            let message: String = failure.message.chars().take(300).collect();
            return Err(format!("the query failed: {message}"));
        }
        match answer.data {
            Some(data) => Ok(Bytes::from(format!(r#"{{"data":{data}}}"#))),
            None => Err("the GraphQL API answered without data".into()),
        }
    }
}

fn unanswered(error: &SendError) -> String {
    format!("the GraphQL API could not be asked: {error}")
}
