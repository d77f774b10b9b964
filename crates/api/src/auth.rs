//! Who calls (`Authorization: Bearer <API key or token>`), and whether it may.
//!
//! A handler says what it is for by the type of its argument: `Auth<LookIn>` is a caller that may look
//! into an application.

use crate::Api;
use crate::account::Account;
use crate::error::ApiError;
use crate::input::Input;
use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use axum::http::{StatusCode, header};
use postrider_accept::{Caller, Right};
use std::marker::PhantomData;

/// The authenticated caller, as an argument of a handler. What the handler then finds is as of now, on
/// whichever node it was changed.
#[derive(Clone, Copy, Debug)]
pub struct Auth<R>(pub Caller, PhantomData<R>);

/// The authenticated sender of a message. Nothing is asked of the database before the message's own
/// commit, which checks the key and the routing again.
#[derive(Clone, Copy, Debug)]
pub struct SenderAuth(pub Caller);

/// The code of every 401.
const FAILED: &str = "authentication_failed";

/// Something that a call is for, as a type.
pub trait For {
    /// `None`: any key or token will do.
    const RIGHT: Option<Right>;
}

macro_rules! rights {
    ($($name:ident),*) => {
        $(
            #[derive(Clone, Copy, Debug)]
            pub struct $name;
            impl For for $name {
                const RIGHT: Option<Right> = Some(Right::$name);
            }
        )*
    };
}
rights!(LookAround, LookIn, Manage, ManageEndpoints, SeeSecrets, RotateSecrets, Resend);

/// For what anyone may who has a key or token.
#[derive(Clone, Copy, Debug)]
pub struct Anything;

impl For for Anything {
    const RIGHT: Option<Right> = None;
}

impl<R: For> FromRequestParts<Api> for Auth<R> {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, api: &Api) -> Result<Auth<R>, ApiError> {
        api.accept.store().fresh().await?;
        let caller = authenticate(parts, api)?;
        if let Some(right) = R::RIGHT {
            caller.need(right)?;
        }
        open_account(parts, api, caller)?;
        Ok(Auth(caller, PhantomData))
    }
}

impl FromRequestParts<Api> for SenderAuth {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, api: &Api) -> Result<SenderAuth, ApiError> {
        let caller = match authenticate(parts, api) {
            Ok(caller) => caller,
            Err(_) => {
                // Another node may have made the key a moment ago.
                api.accept.store().fresh().await?;
                authenticate(parts, api)?
            }
        };
        caller.need(Right::Send)?;
        open_account(parts, api, caller)?;
        Ok(SenderAuth(caller))
    }
}

fn authenticate(parts: &Parts, api: &Api) -> Result<Caller, ApiError> {
    let Some(value) = parts.headers.get(header::AUTHORIZATION) else { return Err(refused()) };
    let malformed = || {
        let detail = "the header Authorization is malformed; send \"Authorization: Bearer KEY\"";
        ApiError::plain(StatusCode::UNAUTHORIZED, FAILED, detail)
    };
    let (scheme, key) = value.to_str().ok().and_then(|value| value.trim().split_once(' ')).ok_or_else(malformed)?;
    if !scheme.eq_ignore_ascii_case("bearer") || key.trim().is_empty() {
        return Err(malformed());
    }
    api.accept.authenticate(key.trim()).ok_or_else(|| {
        let detail = "the API key or token is unknown, expired or revoked; send a valid one as \
                      \"Authorization: Bearer KEY\"";
        ApiError::plain(StatusCode::UNAUTHORIZED, FAILED, detail)
    })
}

/// From here on the request counts against the caller's share of memory, and its environment's settings hold.
fn open_account(parts: &Parts, api: &Api, caller: Caller) -> Result<(), ApiError> {
    if let Some(input) = parts.extensions.get::<Input>() {
        input.open(api.accept.is_strict(caller), parts.uri.query())?;
    }
    match parts.extensions.get::<Account>() {
        Some(account) => account.open(&api.memory, &parts.method, caller),
        None => Ok(()),
    }
}

/// The error for a request without an API key or token.
pub fn refused() -> ApiError {
    let detail = "the header Authorization is missing; send an API key as \"Authorization: Bearer KEY\"";
    ApiError::plain(StatusCode::UNAUTHORIZED, FAILED, detail)
}
