//! From a message to the request: the payload query, the validation template, the body's template, then the
//! contract. For an attempt, and for whoever wants to see it beforehand.

use crate::query::{GraphQl, Question};
use crate::render::Renderer;
use bytes::Bytes;
use postrider_contract::{Kept, Replaced, Request};
use postrider_store::AppEntry;
use postrider_store::config::Endpoint;
use postrider_store::message::{Message, TEST_TAG};
use postrider_template::{TemplateError, Templates, Variables};
use thiserror::Error;

/// What it takes to make requests. Clones share everything.
#[derive(Clone, Debug)]
pub struct Composer {
    pub renderer: Renderer,
    pub templates: Templates,
    /// `None`: there are no payload queries.
    pub graphql: Option<GraphQl>,
}

/// One try of one delivery.
#[derive(Clone, Copy, Debug)]
pub struct Subject<'a> {
    pub app: &'a AppEntry,
    pub endpoint: &'a Endpoint,
    pub message: &'a Message,
    /// What earlier responses set ([`Renderer::kept`]).
    pub kept: &'a [Kept],
    /// 1 for the first.
    pub attempt: u32,
    /// Epoch ms.
    pub now_ms: i64,
}

/// Why there is no request.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum Stopped {
    /// The endpoint's owner does not want this message.
    #[error("not sent: the validation template says false")]
    Unwanted,
    #[error("{0}")]
    Query(String),
    #[error("{0}")]
    Template(String),
}

impl Composer {
    /// The request as it would go out now.
    pub async fn compose(&self, subject: Subject<'_>) -> Result<Request, Stopped> {
        let settings = &subject.endpoint.settings;
        if settings.query.is_none() && settings.validation_template.is_none() && settings.template.is_none() {
            return self.renderer.request(&subject, None).map_err(Stopped::Template);
        }
        // Boxed, so that attempts without any of this don't carry room for it.
        Box::pin(self.customized(subject)).await
    }

    async fn customized(&self, subject: Subject<'_>) -> Result<Request, Stopped> {
        let settings = &subject.endpoint.settings;
        let data = match &settings.query {
            Some(query) => Some(self.ask(&subject, query).await?),
            None => None,
        };
        let is_test = subject.message.tags.iter().any(|tag| tag == TEST_TAG);
        if let Some(text) = settings.validation_template.as_ref().filter(|_| !is_test) {
            self.validate(text, self.data(&subject, data.as_ref())?).await?;
        }
        let body = match &settings.template {
            Some(text) => {
                let made = self.templates.render(text, Variables::Body(self.data(&subject, data.as_ref())?)).await;
                Some(Replaced::Text(made.map_err(|error| failed("template", &error))?.into()))
            }
            None => data.map(Replaced::Data),
        };
        self.renderer.request(&subject, body).map_err(Stopped::Template)
    }

    async fn ask(&self, subject: &Subject<'_>, query: &str) -> Result<Bytes, Stopped> {
        let graphql = self.graphql.as_ref().ok_or_else(|| {
            // For the operator; the endpoint's owner can do nothing about it.
            let app = self.renderer.application_name(subject.app);
            tracing::warn!(app, "payload query not run: no GraphQL API is configured (--graphql-url)");
            Stopped::Query("payload queries are not available on this server".into())
        })?;
        let variables = self.renderer.query_input(subject).map_err(Stopped::Template)?;
        let application = self.renderer.application_name(subject.app);
        let identity = &subject.endpoint.settings.query_as;
        let question = Question { query, variables: &variables, identity, application: &application };
        graphql.ask(question).await.map_err(Stopped::Query)
    }

    /// What templates are about: the result of the query, or the body that the contract makes.
    fn data(&self, subject: &Subject<'_>, data: Option<&Bytes>) -> Result<Bytes, Stopped> {
        match data {
            Some(data) => Ok(data.clone()),
            None => self.renderer.data(subject).map_err(Stopped::Template),
        }
    }

    async fn validate(&self, text: &str, data: Bytes) -> Result<(), Stopped> {
        let made = self.templates.render(text, Variables::Body(data)).await;
        let output = made.map_err(|error| failed("validation template", &error))?;
        match output.trim() {
            "true" => Ok(()),
            "false" => Err(Stopped::Unwanted),
            other => {
                let other: String = other.chars().take(100).collect();
                Err(Stopped::Template(format!("the validation template says {other:?}, neither true nor false")))
            }
        }
    }

    /// What the error template has to say about a response that looks like success; `None`: nothing.
    pub async fn complaint(&self, endpoint: &Endpoint, response: Variables) -> Option<String> {
        let text = endpoint.settings.error_template.as_ref()?;
        match self.templates.render(text, response).await {
            Ok(output) if output.trim().is_empty() => None,
            Ok(output) => Some(output.trim().chars().take(1_000).collect()),
            Err(error) => Some(format!("the error template: {error}")),
        }
    }
}

fn failed(which: &str, error: &TemplateError) -> Stopped {
    Stopped::Template(format!("the {which}: {error}"))
}
