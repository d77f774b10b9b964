//! An event in a file, and the request that a contract makes of it: for looking at contracts.
//!
//! Ids and secrets are examples that never change, so that the same file gives the same request.

use bytes::Bytes;
use postrider_contract::{
    ApplicationView, ContentType, Contract, EndpointView, MessageView, Outgoing, RenderError, Request,
};
use serde::Deserialize;
use serde_json::value::RawValue;
use std::collections::BTreeMap;
use thiserror::Error;

const MESSAGE_ID: &str = "msg_00000000000000example1";
const ENDPOINT_ID: &str = "ep_00000000000000example2";
const APPLICATION_ID: &str = "app_00000000000000example3";
const URL: &str = "https://example.com/webhook";
/// What example secrets are made of.
const RANDOM: [u8; 32] = *b"an example, known to everybody!!";

/// A message as the API takes it, with the endpoint and the application it is for.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Sample {
    event_type: String,
    payload: Box<RawValue>,
    event_id: Option<String>,
    #[serde(default)]
    endpoint: SampleEndpoint,
    #[serde(default)]
    application: SampleApplication,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct SampleEndpoint {
    url: Option<String>,
    uid: Option<String>,
    metadata: BTreeMap<String, String>,
    event_types: Vec<String>,
    content_type: Option<String>,
    headers: BTreeMap<String, String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct SampleApplication {
    uid: Option<String>,
    name: Option<String>,
    metadata: BTreeMap<String, String>,
}

/// Why there is no request.
#[derive(Debug, Error)]
pub enum SampleError {
    #[error("the secret {0}")]
    Secret(String),
    #[error("endpoint.contentType: {0}")]
    ContentType(String),
    #[error(transparent)]
    Render(#[from] RenderError),
}

impl Sample {
    /// Reads the file's text.
    pub fn read(text: &str) -> Result<Sample, serde_json::Error> {
        serde_json::from_str(text)
    }

    /// Where the request would go.
    pub fn url(&self) -> &str {
        self.endpoint.url.as_deref().unwrap_or(URL)
    }

    /// The request of the first attempt. `settings`: the operator's for this contract; `secret`: one is
    /// made where the contract makes one.
    pub fn request(
        &self,
        contract: &Contract,
        settings: &BTreeMap<String, String>,
        secret: Option<&str>,
        now_ms: i64,
    ) -> Result<Request, SampleError> {
        if let Some(secret) = secret {
            contract.secrets().check(secret).map_err(SampleError::Secret)?;
        }
        let secret = secret.map(str::to_owned).or_else(|| contract.secrets().generate(&RANDOM));
        let secrets: Vec<String> = secret.into_iter().collect();
        let payload = Bytes::copy_from_slice(self.payload.get().as_bytes());
        let headers: Vec<(String, String)> = self.endpoint.headers.clone().into_iter().collect();
        let outgoing = Outgoing {
            message: MessageView {
                id: MESSAGE_ID,
                event_type: &self.event_type,
                event_id: self.event_id.as_deref(),
                payload: &payload,
                created_ms: now_ms,
            },
            endpoint: EndpointView {
                id: ENDPOINT_ID,
                uid: self.endpoint.uid.as_deref(),
                url: self.url(),
                event_types: &self.endpoint.event_types,
                metadata: &self.endpoint.metadata,
                content_type: self.content_type(contract)?,
                created_ms: now_ms,
                updated_ms: now_ms,
            },
            application: ApplicationView {
                id: APPLICATION_ID,
                uid: self.application.uid.as_deref(),
                name: self.application.name.as_deref().unwrap_or("Example"),
                metadata: &self.application.metadata,
            },
            secrets: &secrets,
            headers: &headers,
            settings,
            kept: &[],
            body: None,
            attempt: 1,
            now_ms,
        };
        Ok(contract.render(&outgoing)?)
    }

    fn content_type(&self, contract: &Contract) -> Result<ContentType, SampleError> {
        let offered = contract.content_types();
        let Some(text) = &self.endpoint.content_type else {
            return Ok(offered.first().copied().unwrap_or(ContentType::Json));
        };
        let asked = text.parse().map_err(SampleError::ContentType)?;
        if offered.contains(&asked) {
            return Ok(asked);
        }
        Err(SampleError::ContentType(format!("the contract {} does not offer {text:?}", contract.name())))
    }
}
