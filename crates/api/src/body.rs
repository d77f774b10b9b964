//! Request bodies: read up to a limit, then JSON with errors that name the field.

pub use crate::input::parse;

use crate::Api;
use crate::account::Account;
use crate::auth::refused;
use crate::error::ApiError;
use crate::input::Input;
use crate::upload;
use axum::extract::{FromRequest, Request};
use bytes::Bytes;
use serde::Deserialize;
use serde::de::DeserializeOwned;

/// The raw body. It counts against its caller's share of the memory for bodies until the request is done.
#[derive(Debug)]
pub struct Raw {
    pub bytes: Bytes,
    /// What the request's operation takes.
    pub input: Input,
}

impl Raw {
    /// Reads the body as what its operation takes.
    pub fn read<'a, T: Deserialize<'a>>(&'a self) -> Result<T, ApiError> {
        self.input.read(&self.bytes)
    }

    /// Reads other fields of a body that was read before.
    pub fn read_more<'a, T: Deserialize<'a>>(&'a self) -> Result<T, ApiError> {
        self.input.read_more(&self.bytes)
    }
}

impl FromRequest<Api> for Raw {
    type Rejection = ApiError;

    async fn from_request(mut request: Request, api: &Api) -> Result<Raw, ApiError> {
        let account = request.extensions_mut().remove::<Account>().unwrap_or_default();
        let input = request.extensions().get::<Input>().cloned().unwrap_or_default();
        // A body is read only for a caller that is known.
        let holder = account.holder().ok_or_else(refused)?;
        let upload = upload::read(request.into_body(), &api.memory, holder).await?;
        account.keep(upload.room);
        Ok(Raw { bytes: upload.bytes, input })
    }
}

/// A JSON body that has been read into `T`; the bytes stay for the idempotency key's hash.
#[derive(Debug)]
pub struct Json<T> {
    pub value: T,
    pub raw: Raw,
}

impl<T: DeserializeOwned + Send + 'static> FromRequest<Api> for Json<T> {
    type Rejection = ApiError;

    async fn from_request(request: Request, api: &Api) -> Result<Json<T>, ApiError> {
        let account = request.extensions().get::<Account>().cloned().unwrap_or_default();
        let raw = Raw::from_request(request, api).await?;
        let holder = account.holder().ok_or_else(refused)?;
        let (bytes, input) = (raw.bytes.clone(), raw.input.clone());
        let read = move || input.read(&bytes);
        let value = api.accept.compute().run_if_heavy(raw.bytes.len(), holder, read).await??;
        Ok(Json { value, raw })
    }
}
