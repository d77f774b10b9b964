//! What one request holds of the memory that all callers share: its body, and its response until that is written.
//!
//! Both are shared out by caller ([`Holder`]), so that no caller can hold all of it.

use crate::Api;
use crate::error::ApiError;
use axum::body::{Body, HttpBody};
use axum::extract::{Request, State};
use axum::http::{Method, StatusCode};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use http_body_util::BodyExt;
use postrider_accept::{Caller, Holder};
use postrider_fair::{Pool, Taken};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

/// Bytes of request bodies in memory at once, over all callers.
const BODY_BYTES: usize = 128 << 20;
/// Bytes of responses in memory at once that their callers have not read, over all callers.
const RESPONSE_BYTES: usize = 128 << 20;
/// What reading a page of stored content holds until its response is there; so a caller reads four of them at once.
const PAGE_ROOM_BYTES: usize = 16 << 20;
/// A page that gets no room for this long is refused.
const PAGE_WAIT: Duration = Duration::from_secs(10);
/// Smaller responses fit into the buffers of their connection and are not counted.
const SMALL_RESPONSE_BYTES: usize = 4 << 10;

/// The memory for bodies and for responses.
#[derive(Clone, Debug)]
pub struct Memory {
    bodies: Pool<Holder>,
    responses: Pool<Holder>,
}

impl Default for Memory {
    fn default() -> Memory {
        Memory { bodies: Pool::new(BODY_BYTES), responses: Pool::new(RESPONSE_BYTES) }
    }
}

impl Memory {
    /// Room to read a page of stored content for a caller. Those that it has no room for wait their turn.
    pub async fn room_for_page(&self, caller: Caller) -> Result<Taken<Holder>, ApiError> {
        let room = self.responses.take(caller.into(), PAGE_ROOM_BYTES);
        tokio::time::timeout(PAGE_WAIT, room).await.map_err(|_| unread())
    }
}

/// One request's account: who it is from, and what its body takes. Clones share it; what it holds is given back with
/// the last.
#[derive(Clone, Debug, Default)]
pub struct Account(Arc<Held>);

#[derive(Debug, Default)]
struct Held {
    holder: OnceLock<Holder>,
    body: OnceLock<Taken<Holder>>,
}

impl Account {
    /// Notes who the request is from. Refuses one that asks for more while its caller leaves too much unread.
    pub fn open(&self, memory: &Memory, method: &Method, caller: Caller) -> Result<(), ApiError> {
        let holder = Holder::from(caller);
        let _ = self.0.holder.set(holder);
        if method.is_safe() && memory.responses.try_take(holder, SMALL_RESPONSE_BYTES).is_none() {
            return Err(unread());
        }
        Ok(())
    }

    /// `None` before the caller is authenticated.
    pub fn holder(&self) -> Option<Holder> {
        self.0.holder.get().copied()
    }

    /// Room for the first bytes of a body, which grows with the body.
    pub fn room(memory: &Memory, holder: Holder, bytes: usize) -> Result<Taken<Holder>, ApiError> {
        memory.bodies.try_take(holder, bytes).ok_or_else(busy)
    }

    /// Keeps the room of a body that was read until the request is done.
    pub fn keep(&self, room: Taken<Holder>) {
        let _ = self.0.body.set(room);
    }
}

/// The caller's bodies take all that it may have.
pub fn busy() -> ApiError {
    let detail = "too many large requests of this caller are being processed; try again when they are answered";
    ApiError::plain(StatusCode::SERVICE_UNAVAILABLE, "busy", detail)
}

fn unread() -> ApiError {
    let detail = "too many responses to this caller are not read yet; read those, then try again";
    ApiError::plain(StatusCode::SERVICE_UNAVAILABLE, "busy", detail)
}

/// A response's bytes, and what they hold until the last of them is written.
#[derive(Debug)]
struct Unread {
    bytes: Bytes,
    _taken: Option<Taken<Holder>>,
    _account: Account,
}

impl AsRef<[u8]> for Unread {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

/// Gives each request an account, and counts its response until that is written.
pub async fn count(State(api): State<Api>, mut request: Request, next: Next) -> Response {
    let account = Account::default();
    request.extensions_mut().insert(account.clone());
    let changes_nothing = request.method().is_safe();
    let response = next.run(request).await;
    let size = response.body().size_hint().exact().and_then(|size| usize::try_from(size).ok());
    let (Some(size), Some(holder)) = (size.filter(|size| *size > SMALL_RESPONSE_BYTES), account.holder()) else {
        return response;
    };
    let taken = api.memory.responses.try_take(holder, size);
    // What was done is answered: its response is no larger than its body, whose room it keeps.
    if taken.is_none() && changes_nothing {
        return unread().into_response();
    }
    let (parts, body) = response.into_parts();
    match body.collect().await {
        Ok(body) => {
            let unread = Unread { bytes: body.to_bytes(), _taken: taken, _account: account };
            Response::from_parts(parts, Body::from(Bytes::from_owner(unread)))
        }
        // It is in memory: there is nothing that could fail.
        Err(_) => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
    }
}
