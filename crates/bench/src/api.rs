//! The calls of the Svix-compatible API that a benchmark needs.

use crate::client::{Client, Reply};
use crate::failure::Failure;
use crate::recipe::Recipe;
use bytes::Bytes;
use http::header::{AUTHORIZATION, CONTENT_TYPE, HOST};
use http::{HeaderValue, Method, Request, StatusCode, Uri};
use http_body_util::Full;
use serde_json::{Value, json};
use std::net::SocketAddr;

/// A server and the right to use it.
#[derive(Clone, Debug)]
pub struct Api {
    pub address: SocketAddr,
    host: HeaderValue,
    /// What stands before `/api/v1`.
    base: String,
    authorization: HeaderValue,
}

impl Api {
    /// Finds the server that `url` names.
    pub async fn new(url: &str, token: &str) -> Result<Api, Failure> {
        let wrong = |why: &str| Failure::Usage(format!("--url {url}: {why}"));
        let uri: Uri = url.parse().map_err(|_| wrong("is not a URL"))?;
        // TLS would be measured along with the server.
        if uri.scheme_str() != Some("http") {
            return Err(wrong("must begin with http://"));
        }
        let authority = uri.authority().ok_or_else(|| wrong("names no host"))?;
        let at = (authority.host(), authority.port_u16().unwrap_or(80));
        let address = tokio::net::lookup_host(at).await?.next().ok_or_else(|| wrong("has no address"))?;
        let secret = |text: String| {
            let mut value = HeaderValue::try_from(text).map_err(http::Error::from)?;
            value.set_sensitive(true);
            Ok::<_, Failure>(value)
        };
        Ok(Api {
            address,
            host: HeaderValue::try_from(authority.as_str()).map_err(http::Error::from)?,
            base: uri.path().trim_end_matches('/').to_owned(),
            authorization: secret(format!("Bearer {token}"))?,
        })
    }

    /// Whether the server is up.
    pub async fn is_healthy(&self) -> bool {
        let reply = self.call(Method::GET, "/api/v1/health", None).await;
        reply.is_ok_and(|reply| reply.status == StatusCode::NO_CONTENT)
    }

    /// Makes an application and returns its id.
    pub async fn create_application(&self) -> Result<String, Failure> {
        self.create("/api/v1/app", json!({ "name": "bench" })).await
    }

    /// Makes an endpoint; without a retry schedule, the server's own holds.
    pub async fn create_endpoint(&self, app: &str, url: &str, retries: Option<&[u32]>) -> Result<String, Failure> {
        // Svix's server wanted a version once; others pass over it.
        let mut body = json!({ "url": url, "version": 1 });
        if let Some(retries) = retries {
            body["retrySchedule"] = json!(retries);
        }
        self.create(&format!("/api/v1/app/{app}/endpoint"), body).await
    }

    /// Deletes an application and what belongs to it.
    pub async fn delete_application(&self, app: &str) -> Result<(), Failure> {
        self.call(Method::DELETE, &format!("/api/v1/app/{app}"), None).await.map(drop)
    }

    /// How to post messages of `payload_bytes` to an application.
    pub fn recipe(&self, app: &str, payload_bytes: usize, key: String) -> Result<Recipe, Failure> {
        let path = format!("{}/api/v1/app/{app}/msg?with_content=false", self.base);
        Ok(Recipe::plain(self.host.clone(), &path, payload_bytes, key)?.message(self.authorization.clone()))
    }

    /// The same with so many messages in each request.
    pub fn batches(&self, app: &str, payload_bytes: usize, key: String, messages: usize) -> Result<Recipe, Failure> {
        let path = format!("{}/api/v1/app/{app}/msg/batch", self.base);
        let one = Recipe::plain(self.host.clone(), &path, payload_bytes, key)?.message(self.authorization.clone());
        Ok(one.batch(messages))
    }

    /// Metrics in Prometheus' text format, where the server has them.
    pub async fn metrics(&self) -> Option<String> {
        let reply = self.call(Method::GET, "/metrics", None).await.ok()?;
        reply.status.is_success().then(|| String::from_utf8_lossy(&reply.body).into_owned())
    }

    /// What is at this path.
    pub async fn get(&self, path: &str) -> Result<Value, Failure> {
        let reply = self.call(Method::GET, path, None).await?;
        if !reply.status.is_success() {
            let body = String::from_utf8_lossy(&reply.body).into_owned();
            return Err(Failure::Refused { what: format!("GET {path}"), status: reply.status.as_u16(), body });
        }
        Ok(serde_json::from_slice(&reply.body)?)
    }

    /// The same server, for somebody with this token.
    pub fn with_token(&self, token: &str) -> Result<Api, Failure> {
        let authorization = HeaderValue::try_from(format!("Bearer {token}")).map_err(http::Error::from)?;
        Ok(Api { authorization, ..self.clone() })
    }

    /// The head of a request as bytes, for one that is never finished; `length`: that of the body it announces.
    pub fn head(&self, method: &str, path: &str, length: Option<usize>) -> String {
        let authorization = self.authorization.to_str().unwrap_or_default();
        let length = length.map_or_else(String::new, |length| format!("content-length: {length}\r\n"));
        let base = &self.base;
        format!("{method} {base}{path} HTTP/1.1\r\nhost: bench\r\nauthorization: {authorization}\r\n{length}\r\n")
    }

    /// Posts, and returns the answer to what succeeded.
    pub async fn post(&self, path: &str, body: Value) -> Result<Value, Failure> {
        let reply = self.call(Method::POST, path, Some(body)).await?;
        if !reply.status.is_success() {
            let body = String::from_utf8_lossy(&reply.body).into_owned();
            return Err(Failure::Refused { what: format!("POST {path}"), status: reply.status.as_u16(), body });
        }
        Ok(serde_json::from_slice(&reply.body)?)
    }

    async fn create(&self, path: &str, body: Value) -> Result<String, Failure> {
        let answer = self.post(path, body).await?;
        let id = answer.get("id").and_then(Value::as_str);
        let wrong = || Failure::Answer { what: format!("POST {path}"), reason: "the answer names no id".to_owned() };
        let id = id.ok_or_else(wrong)?;
        Ok(id.to_owned())
    }

    async fn call(&self, method: Method, path: &str, body: Option<Value>) -> Result<Reply, Failure> {
        let request = Request::builder()
            .method(method)
            .uri(format!("{}{path}", self.base))
            .header(HOST, &self.host)
            .header(AUTHORIZATION, &self.authorization)
            .header(CONTENT_TYPE, "application/json");
        let body = body.map_or_else(Bytes::new, |body| Bytes::from(body.to_string()));
        Client::new(self.address).send(request.body(Full::new(body))?).await
    }
}
