//! Checks what arrived as a receiver would, with other code than signed it: ring, and the
//! `standardwebhooks` crate.

use axum::http::HeaderMap;
use base64::Engine;
use base64::prelude::{BASE64_STANDARD, BASE64_URL_SAFE_NO_PAD};
use ring::{digest, hmac};
use serde_json::Value;

/// How far a signed timestamp may be from now.
const TOLERANCE_SECONDS: i64 = 5 * 60;

/// What a check found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// By which means.
    Verified(&'static str),
    Failed(String),
    /// Why there was no check.
    Unchecked(String),
}

/// A request as it came.
#[derive(Clone, Copy, Debug)]
pub struct Received<'a> {
    pub headers: &'a HeaderMap,
    pub body: &'a [u8],
    pub now_ms: i64,
}

type Check = fn(&Received<'_>, &str) -> Result<(), String>;

/// The contracts that are checked, and what each check rests on.
const CHECKS: &[(&str, &str, Check)] = &[
    ("scope", "HMAC-SHA256 of the body in base64", scope),
    ("standard", "Standard Webhooks signature", standard),
    ("svix", "Svix signature", svix),
    ("telerivet", "secret in the form", telerivet),
    ("tellescope", "SHA-256 integrity", tellescope),
    ("tiledesk", "x-hook-secret and signed token", tiledesk),
    ("uplodr", "HMAC-SHA256 of the body in hex", uplodr),
];

/// Checks a request with each secret until one fits.
pub fn judge(contract: &str, received: &Received<'_>, secrets: &[String]) -> Verdict {
    let Some((_, means, check)) = CHECKS.iter().find(|(name, ..)| *name == contract) else {
        return Verdict::Unchecked(format!("the inbox has no check for {contract}"));
    };
    let mut problem = None;
    for secret in secrets {
        match check(received, secret) {
            Ok(()) => return Verdict::Verified(means),
            Err(reason) => problem = Some(reason),
        }
    }
    if secrets.iter().any(|secret| secret.starts_with("whsk_")) {
        return Verdict::Unchecked("the inbox checks v1 signatures only, not those of a whsk_ key".to_owned());
    }
    match problem {
        Some(reason) => Verdict::Failed(reason),
        None => Verdict::Unchecked("no endpoint of the demo application with this contract has a secret".to_owned()),
    }
}

fn scope(received: &Received<'_>, secret: &str) -> Result<(), String> {
    let tag = decoded(received.header("x-scope-hmac-sha256")?).ok_or("x-scope-hmac-sha256 is not base64")?;
    hmac_fits(secret.as_bytes(), received.body, &tag, "x-scope-hmac-sha256")
}

fn uplodr(received: &Received<'_>, secret: &str) -> Result<(), String> {
    let tag = hex::decode(received.header("x-uplodr-signature")?).map_err(|_| "x-uplodr-signature is not hex")?;
    hmac_fits(secret.as_bytes(), received.body, &tag, "x-uplodr-signature")
}

fn standard(received: &Received<'_>, secret: &str) -> Result<(), String> {
    let webhook = standardwebhooks::Webhook::new(secret).map_err(|error| error.to_string())?;
    webhook.verify(received.body, received.headers).map_err(|error| error.to_string())
}

fn svix(received: &Received<'_>, secret: &str) -> Result<(), String> {
    let (id, timestamp) = (received.header("svix-id")?, received.header("svix-timestamp")?);
    let seconds: i64 = timestamp.parse().map_err(|_| "svix-timestamp is not a number")?;
    if (received.now_ms / 1_000).abs_diff(seconds) > TOLERANCE_SECONDS.unsigned_abs() {
        return Err("svix-timestamp is more than five minutes away".to_owned());
    }
    let key = decoded(secret.strip_prefix("whsec_").unwrap_or(secret)).ok_or("the secret is not base64")?;
    let signed = [id.as_bytes(), b".", timestamp.as_bytes(), b".", received.body].concat();
    let signatures = received.header("svix-signature")?.split(' ').filter_map(|one| one.strip_prefix("v1,"));
    let mut tags = signatures.filter_map(decoded);
    let fits = tags.any(|tag| hmac_fits(&key, &signed, &tag, "svix-signature").is_ok());
    if fits { Ok(()) } else { Err("no signature in svix-signature fits".to_owned()) }
}

fn telerivet(received: &Received<'_>, secret: &str) -> Result<(), String> {
    let fields: Vec<_> = url::form_urlencoded::parse(received.body).collect();
    let field = |wanted: &str| fields.iter().rev().find(|(name, _)| name == wanted).map(|(_, value)| value.as_ref());
    field("event").ok_or("the form has no event")?;
    let given = field("secret").ok_or("the form has no secret")?;
    if given == secret { Ok(()) } else { Err("the form's secret is another".to_owned()) }
}

/// As the document's receiver does it: ids, timestamp and secret, hashed.
fn tellescope(received: &Received<'_>, secret: &str) -> Result<(), String> {
    let body = received.json()?;
    let subject = match body["type"].as_str() {
        Some("automation") => text(&body["message"]),
        Some("calendar_event_reminder") => text(&body["event"]["id"]),
        _ => {
            let records = body["records"].as_array().ok_or("the body has no records")?;
            records.iter().map(|record| text(&record["id"])).collect()
        }
    };
    let whole = subject + &text(&body["timestamp"]) + secret;
    let expected = hex::encode(digest::digest(&digest::SHA256, whole.as_bytes()));
    let fits = body["integrity"].as_str() == Some(&expected);
    if fits { Ok(()) } else { Err("the integrity is not that of these records, timestamp and secret".to_owned()) }
}

fn tiledesk(received: &Received<'_>, secret: &str) -> Result<(), String> {
    if received.header("x-hook-secret")? != secret {
        return Err("x-hook-secret is another".to_owned());
    }
    let body = received.json()?;
    let id = body["hook"]["_id"].as_str().ok_or("the hook has no _id")?;
    let token = body["token"].as_str().ok_or("the body has no token")?;
    let claims = claims(token, secret).map_err(|reason| format!("the token: {reason}"))?;
    // These tokens don't expire.
    for (name, expected) in [
        ("aud", format!("https://tiledesk.com/subscriptions/{id}").as_str()),
        ("iss", "https://tiledesk.com"),
        ("sub", "subscription"),
        ("_id", id),
    ] {
        if claims[name].as_str() != Some(expected) {
            return Err(format!("the token: its {name} is {}, not {expected:?}", claims[name]));
        }
    }
    Ok(())
}

/// The claims of a JSON web token that is signed with HS256 and this secret.
fn claims(token: &str, secret: &str) -> Result<Value, &'static str> {
    let bytes = |part| BASE64_URL_SAFE_NO_PAD.decode(part).map_err(|_| "a part is not base64url");
    let json = |part| serde_json::from_slice::<Value>(&bytes(part)?).map_err(|_| "a part is not JSON");
    let (signed, tag) = token.rsplit_once('.').ok_or("it has no signature")?;
    let (head, claims) = signed.split_once('.').ok_or("it has less than three parts")?;
    if json(head)?["alg"] != "HS256" {
        return Err("it is not signed with HS256");
    }
    let key = hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes());
    hmac::verify(&key, signed.as_bytes(), &bytes(tag)?).map_err(|_| "its signature is not that of its claims")?;
    json(claims)
}

impl<'a> Received<'a> {
    fn header(&self, name: &str) -> Result<&'a str, String> {
        let value = self.headers.get(name).ok_or_else(|| format!("there is no header {name}"))?;
        value.to_str().map_err(|_| format!("the header {name} is not plain text"))
    }

    fn json(&self) -> Result<Value, String> {
        serde_json::from_slice(self.body).map_err(|error| format!("the body is not JSON: {error}"))
    }
}

fn hmac_fits(key: &[u8], signed: &[u8], tag: &[u8], header: &str) -> Result<(), String> {
    let key = hmac::Key::new(hmac::HMAC_SHA256, key);
    hmac::verify(&key, signed, tag).map_err(|_| format!("the signature in {header} is not that of this body"))
}

fn decoded(text: &str) -> Option<Vec<u8>> {
    BASE64_STANDARD.decode(text).ok()
}

/// A value as JavaScript joins it to a text.
fn text(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::demo::examples::{Example, OPEN, SYSTEMS};
    use crate::sample::Sample;
    use axum::http::HeaderName;
    use postrider_clock::Clock;
    use postrider_contract::Book;
    use serde_json::json;
    use std::collections::BTreeMap;

    /// The example as its contract sends it, and the secret.
    fn sent(example: &Example) -> (HeaderMap, Vec<u8>, String) {
        let book = Book::shipped();
        let contract = book.get(example.contract).unwrap();
        let secret = example.secret.map(str::to_owned).or_else(|| contract.secrets().generate(&[7; 32])).unwrap();
        let event = format!(r#"{{"eventType": "{}", "payload": {}}}"#, example.event_type, example.payload);
        let sample = Sample::read(&event).unwrap();
        let request = sample.request(contract, &BTreeMap::new(), Some(&secret), Clock::system().wall_ms()).unwrap();
        let mut headers = HeaderMap::new();
        for (name, value) in &request.headers {
            headers.insert(HeaderName::from_bytes(name.as_bytes()).unwrap(), value.parse().unwrap());
        }
        (headers, request.body.to_vec(), secret)
    }

    fn judged(example: &Example, headers: &HeaderMap, body: &[u8], secret: &str) -> Verdict {
        let now_ms = Clock::system().wall_ms();
        judge(example.contract, &Received { headers, body, now_ms }, &[secret.to_owned()])
    }

    #[test]
    fn every_example_is_verified_and_with_another_secret_is_not() {
        for example in SYSTEMS.iter().chain(OPEN) {
            let (headers, body, secret) = sent(example);
            let verdict = judged(example, &headers, &body, &secret);
            assert!(matches!(verdict, Verdict::Verified(_)), "{}: {verdict:?}", example.contract);
            let other = secret.replace(|c: char| c.is_ascii_digit() || "BH_".contains(c), "A");
            assert_ne!(secret, other);
            let verdict = judged(example, &headers, &body, &other);
            assert!(matches!(verdict, Verdict::Failed(_)), "{}: {verdict:?}", example.contract);
            let verdict = judged(example, &HeaderMap::new(), b"", &secret);
            assert!(matches!(verdict, Verdict::Failed(_)), "{}: {verdict:?}", example.contract);
        }
    }

    #[test]
    fn a_changed_body_is_not_verified() {
        for example in SYSTEMS.iter().chain(OPEN) {
            let (headers, body, secret) = sent(example);
            let changed = match example.contract {
                // Telerivet's secret covers nothing else, and Tiledesk's token the hook alone.
                "telerivet" => continue,
                "tiledesk" => String::from_utf8(body).unwrap().replacen("\"_id\":\"", "\"_id\":\"0", 2),
                _ => {
                    let text = String::from_utf8(body).unwrap();
                    text.replacen(r#"id":"#, r#"id" :"#, 1).replacen("60398b", "60398c", 1).replacen("in_1", "in_2", 1)
                }
            };
            let verdict = judged(example, &headers, changed.as_bytes(), &secret);
            assert!(matches!(verdict, Verdict::Failed(_)), "{}: {verdict:?}", example.contract);
        }
    }

    #[test]
    fn a_token_counts_only_as_it_was_signed() {
        let example = SYSTEMS.iter().find(|example| example.contract == "tiledesk").unwrap();
        let (headers, body, secret) = sent(example);
        let body: Value = serde_json::from_slice(&body).unwrap();
        let token = body["token"].as_str().unwrap();
        let [head, claims, tag] = token.split('.').collect::<Vec<_>>()[..] else { panic!("{token}") };
        let part = |text: &str| BASE64_URL_SAFE_NO_PAD.encode(text);
        let resigned = |head: &str, claims: &str| {
            let key = hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes());
            let signed = format!("{head}.{claims}");
            let tag = BASE64_URL_SAFE_NO_PAD.encode(hmac::sign(&key, signed.as_bytes()));
            format!("{signed}.{tag}")
        };
        let judged = |token: &str| {
            let body = json!({"hook": body["hook"], "token": token}).to_string();
            match judged(example, &headers, body.as_bytes(), &secret) {
                Verdict::Failed(reason) => reason,
                verdict => format!("{verdict:?}"),
            }
        };
        assert_eq!(judged(&resigned(head, claims)), judged(token));
        assert!(judged(token).starts_with("Verified"), "{}", judged(token));
        let unsigned = part(r#"{"alg":"none"}"#);
        let other = part(r#"{"aud":"https://example.com"}"#);
        for (token, reason) in [
            (format!("{head}.{other}.{tag}"), "its signature is not that of its claims"),
            (format!("{head}.{claims}."), "its signature is not that of its claims"),
            (format!("{unsigned}.{claims}."), "it is not signed with HS256"),
            (resigned(&unsigned, claims), "it is not signed with HS256"),
            (resigned(head, &part("1, 2")), "a part is not JSON"),
            (format!("{head}.{claims}.{tag}="), "a part is not base64url"),
            (format!("{claims}.{tag}"), "it has less than three parts"),
            ("nonsense".to_owned(), "it has no signature"),
        ] {
            assert_eq!(judged(&token), format!("the token: {reason}"), "{token}");
        }
        let stranger = judged(&resigned(head, &other));
        assert!(stranger.starts_with(r#"the token: its aud is "https://example.com", not "https://tiledesk.com/"#));
    }
}
