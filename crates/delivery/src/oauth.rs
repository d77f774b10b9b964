//! Access tokens for endpoints: the client credentials grant of OAuth 2.0 (RFC 6749, section 4.4).
//!
//! A token is kept until shortly before it expires, or until its endpoint answers 401. However many deliveries wait for
//! one, it is asked for once.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use moka::Expiry;
use moka::future::Cache;
use postrider_egress::{Call, Egress, ProxySettings, SendError};
use postrider_store::config::{ClientAuthentication, Endpoint, OAuthClient};
use postrider_store::id::EndpointId;
use serde::Deserialize;
use serde_json::Value;
use std::sync::Arc;
use std::time::{Duration, Instant};
use thiserror::Error;
use url::form_urlencoded::{Serializer, byte_serialize};

/// From connecting to the last byte of the token server's response.
const DEADLINE: Duration = Duration::from_secs(10);
/// Endpoints whose tokens are kept.
const MAX_TOKENS: u64 = 10_000;
/// How long a token is kept whose server does not say how long it is valid, and at most.
const DEFAULT_LIFE: Duration = Duration::from_secs(600);
const MAX_LIFE: Duration = Duration::from_secs(86_400);
/// A token is no longer used this long before it expires, or when a tenth of its life is left if that is shorter.
const MARGIN: Duration = Duration::from_secs(60);
/// Characters of a token server's own words that are shown.
const MAX_WORDS: usize = 200;

/// The tokens of all endpoints. Clones share them.
#[derive(Clone)]
pub struct Tokens(Cache<(EndpointId, Asked), Token>);

/// A token, and how long it is used.
#[derive(Clone, PartialEq, Eq)]
pub struct Token {
    pub value: Arc<str>,
    life: Duration,
}

/// What a token is asked for with: after a change another one is needed.
#[derive(Clone, PartialEq, Eq, Hash)]
struct Asked(Arc<str>);

/// Why the token server gave no token.
#[derive(Clone, Debug, Error)]
pub enum TokenError {
    #[error("the token server could not be asked: {0}")]
    Unanswered(SendError),
    #[error("the token server answered {status}{words}")]
    Refused { status: u16, words: String },
    #[error("the token server's response {0}")]
    NotAToken(String),
}

struct OwnLife;

/// Without what is secret.
impl std::fmt::Debug for Tokens {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Tokens({})", self.0.entry_count())
    }
}

impl Expiry<(EndpointId, Asked), Token> for OwnLife {
    fn expire_after_create(&self, _: &(EndpointId, Asked), token: &Token, _: Instant) -> Option<Duration> {
        Some(token.life)
    }
}

impl Tokens {
    pub fn new() -> Tokens {
        Tokens(Cache::builder().max_capacity(MAX_TOKENS).expire_after(OwnLife).build())
    }

    /// The endpoint's token: one that is kept, or a new one.
    pub async fn get(
        &self,
        through: (&Egress, Option<&ProxySettings>),
        endpoint: &Endpoint,
        client: &OAuthClient,
    ) -> Result<Token, TokenError> {
        let asked = self.0.try_get_with(key(endpoint, client), ask(through, client));
        asked.await.map_err(|error| TokenError::clone(&error))
    }

    /// The endpoint does not take this token any more.
    pub async fn forget(&self, endpoint: &Endpoint, client: &OAuthClient, token: &Token) {
        let key = key(endpoint, client);
        // Another delivery may have got a new one already.
        if self.0.get(&key).await.is_some_and(|kept| kept == *token) {
            self.0.invalidate(&key).await;
        }
    }
}

fn key(endpoint: &Endpoint, client: &OAuthClient) -> (EndpointId, Asked) {
    let OAuthClient { token_url, client_id, client_secret, scopes, audience, authentication } = client;
    let secret = client_secret.reveal();
    let asked = format!("{token_url}\n{client_id}\n{secret}\n{scopes:?}\n{audience:?}\n{authentication:?}");
    (endpoint.id, Asked(asked.into()))
}

async fn ask((egress, proxy): (&Egress, Option<&ProxySettings>), client: &OAuthClient) -> Result<Token, TokenError> {
    let (headers, body) = request(client);
    let call = Call { url: &client.token_url, headers: &headers, body, tls: None, proxy, deadline: DEADLINE };
    let reply = egress.send(call).await.map_err(TokenError::Unanswered)?;
    let answer: Answer = match serde_json::from_slice(&reply.body) {
        Ok(answer) => answer,
        Err(_) if reply.status.is_success() => return Err(TokenError::NotAToken("is not a JSON object".into())),
        Err(_) => Answer::default(),
    };
    if !reply.status.is_success() {
        return Err(TokenError::Refused { status: reply.status.as_u16(), words: answer.words() });
    }
    answer.token()
}

fn request(client: &OAuthClient) -> (Vec<(String, String)>, Bytes) {
    let mut headers = vec![
        ("Content-Type".to_owned(), "application/x-www-form-urlencoded".to_owned()),
        ("Accept".to_owned(), "application/json".to_owned()),
    ];
    let mut form = Serializer::new(String::new());
    form.append_pair("grant_type", "client_credentials");
    if !client.scopes.is_empty() {
        form.append_pair("scope", &client.scopes.join(" "));
    }
    if let Some(audience) = &client.audience {
        form.append_pair("audience", audience);
    }
    let (id, secret) = (&client.client_id, client.client_secret.reveal());
    match client.authentication {
        ClientAuthentication::Basic => {
            // Both are form-encoded first, as RFC 6749, section 2.3.1 says.
            let encoded = |text: &str| byte_serialize(text.as_bytes()).collect::<String>();
            let pair = format!("{}:{}", encoded(id), encoded(secret));
            headers.push(("Authorization".to_owned(), format!("Basic {}", STANDARD.encode(pair))));
        }
        ClientAuthentication::Post => {
            form.append_pair("client_id", id).append_pair("client_secret", secret);
        }
    }
    (headers, Bytes::from(form.finish()))
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Answer {
    access_token: Option<String>,
    token_type: Option<String>,
    /// Seconds; some servers send a text.
    expires_in: Value,
    error: Option<String>,
    error_description: Option<String>,
}

impl Answer {
    /// What the server says of its refusal.
    fn words(&self) -> String {
        let words: Vec<&str> =
            [&self.error, &self.error_description].into_iter().flatten().map(String::as_str).collect();
        if words.is_empty() {
            return String::new();
        }
        format!(" ({})", words.join(": ").chars().take(MAX_WORDS).collect::<String>())
    }

    fn token(self) -> Result<Token, TokenError> {
        let not_a_token = |reason: &str| TokenError::NotAToken(reason.to_owned());
        let value = self.access_token.filter(|token| !token.is_empty());
        let value = value.ok_or_else(|| not_a_token("has no access_token"))?;
        if !value.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(not_a_token("has an access_token that can't be sent in a header"));
        }
        if self.token_type.is_some_and(|kind| !kind.eq_ignore_ascii_case("bearer")) {
            return Err(not_a_token("has a token_type other than Bearer"));
        }
        let seconds = self.expires_in.as_f64().or_else(|| self.expires_in.as_str()?.parse().ok());
        let life = seconds.map_or(DEFAULT_LIFE, |seconds| Duration::from_secs(seconds.max(0.0) as u64).min(MAX_LIFE));
        Ok(Token { value: value.into(), life: life - MARGIN.min(life / 10) })
    }
}
