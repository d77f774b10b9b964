//! URLs of endpoints: normalised as the URL standard does it, with the password kept apart.
//!
//! What is stored and shown has [`MASK`] in the place of the password; the password itself is stored sealed.

use postrider_contract::Contract;
use postrider_egress::AddressRules;
use postrider_store::Secret;
use postrider_store::config::{Endpoint, PASSWORD_MASK};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use url::{Host, ParseError, Url};

const LONGEST: usize = 65_536;

/// A URL that passed all checks.
#[derive(Clone, Debug, Default)]
pub struct TargetUrl {
    /// As it is stored, shown, signed and called, but for the password.
    pub shown: String,
    pub password: Option<Secret>,
}

/// What the operator decides about URLs.
#[derive(Clone, Debug)]
pub struct UrlPolicy<'a> {
    pub addresses: &'a AddressRules,
    /// Lifts the contracts' rules on https and ports.
    pub is_relaxed: bool,
}

impl UrlPolicy<'_> {
    /// The URL, or what is wrong with it. `before`: the endpoint that it is to replace the URL of.
    pub fn check(&self, contract: &Contract, text: &str, before: Option<&Endpoint>) -> Result<TargetUrl, String> {
        let mut url = parse(text)?;
        self.fits(contract, &url)?;
        let is_kept = before.is_some_and(|row| row.settings.url == text);
        if !is_kept {
            self.is_open(&url)?;
        }
        let password = match url.password() {
            Some(PASSWORD_MASK) => Some(kept(&url, before)?),
            Some(password) => Some(Secret::new(password)),
            None => None,
        };
        if password.is_some() {
            // It has a host, so it can have a password.
            let _ = url.set_password(Some(PASSWORD_MASK));
        }
        Ok(TargetUrl { shown: url.to_string(), password })
    }

    /// The URL of a server that gives tokens, normalised, or what is wrong with it.
    pub fn check_token_url(&self, text: &str) -> Result<String, String> {
        let url = parse(text)?;
        if !url.username().is_empty() || url.password().is_some() {
            return Err("has a user or a password; give them as clientId and clientSecret".to_owned());
        }
        if !matches!(url.scheme(), "https" | "http") {
            return Err(format!("has the scheme {:?}; use https or http", url.scheme()));
        }
        self.is_open(&url)?;
        Ok(url.into())
    }

    fn fits(&self, contract: &Contract, url: &Url) -> Result<(), String> {
        let (rules, strict) = (contract.urls(), !self.is_relaxed);
        match url.scheme() {
            "https" => {}
            "http" if !(rules.https_only && strict) => {}
            "http" => return Err(format!("must be https: the contract {} requires it", contract.name())),
            other => return Err(format!("has the scheme {other:?}; use https or http")),
        }
        if url.host_str().is_none_or(str::is_empty) {
            return Err("names no host".into());
        }
        let port = url.port_or_known_default().unwrap_or(0);
        match &rules.ports {
            Some(ports) if strict && !ports.contains(&port) => {
                Err(format!("has port {port}; the contract {} allows only {ports:?}", contract.name()))
            }
            _ => Ok(()),
        }
    }

    /// Addresses in the URL itself are judged now. What a name resolves to is judged at each attempt.
    fn is_open(&self, url: &Url) -> Result<(), String> {
        let permits = |address: IpAddr| self.addresses.permit(address);
        let is_open = match url.host() {
            Some(Host::Ipv4(address)) => permits(address.into()),
            Some(Host::Ipv6(address)) => permits(address.into()),
            Some(Host::Domain(name)) if is_local(name) => {
                permits(Ipv4Addr::LOCALHOST.into()) || permits(Ipv6Addr::LOCALHOST.into())
            }
            Some(Host::Domain(_)) | None => true,
        };
        if is_open {
            return Ok(());
        }
        let host = url.host_str().unwrap_or_default();
        Err(format!("has the host {host}, which is not a public address; use one that is reachable from the internet"))
    }
}

fn parse(text: &str) -> Result<Url, String> {
    if text.len() > LONGEST {
        return Err(format!("has more than {LONGEST} bytes"));
    }
    if let Some(control) = text.chars().find(|c| c.is_control()) {
        return Err(format!("has the control character {control:?}; a URL has none"));
    }
    let mut url = Url::parse(text)
        .map_err(|error| format!("is not a URL: it {}; give one such as https://example.com/hook", why(error)))?;
    // It is never sent.
    url.set_fragment(None);
    Ok(url)
}

fn why(error: ParseError) -> &'static str {
    match error {
        ParseError::EmptyHost => "has no host",
        ParseError::InvalidPort => "has a port that is not a number up to 65535",
        ParseError::InvalidIpv4Address | ParseError::InvalidIpv6Address => "has a malformed IP address",
        ParseError::InvalidDomainCharacter | ParseError::IdnaError => "has a host with characters that no name has",
        ParseError::RelativeUrlWithoutBase => "has no scheme",
        _ => "is malformed",
    }
}

/// The stored password, where the mask came back with the URL that it was shown in.
fn kept(url: &Url, before: Option<&Endpoint>) -> Result<Secret, String> {
    let stored = before.and_then(|row| Some((Url::parse(&row.settings.url).ok()?, row.secrets.url_password.clone()?)));
    match stored {
        Some((known, password)) if known.origin() == url.origin() && known.username() == url.username() => Ok(password),
        Some(_) => Err(format!(
            "has {PASSWORD_MASK} in the place of the password, and another scheme, host, port or user than before; \
             give the password"
        )),
        None => Err(format!("has {PASSWORD_MASK} in the place of the password, and none is stored; give the password")),
    }
}

fn is_local(name: &str) -> bool {
    let name = name.trim_end_matches('.');
    name == "localhost" || name.ends_with(".localhost")
}
