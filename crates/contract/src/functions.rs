//! The functions that a contract's expressions may call. All are pure.

use crate::payload::{ExactNumber, Json};
use crate::scan::Entries;
use crate::tree::{Tree, entries};
use base64::Engine;
use base64::prelude::{BASE64_STANDARD, BASE64_URL_SAFE_NO_PAD};
use bytes::Bytes;
use ed25519_dalek::{Signer, SigningKey};
use hmac::{Hmac, Mac};
use minijinja::value::{Object, ObjectRepr, Rest, ValueKind};
use minijinja::{Environment, Error, ErrorKind, Value};
use sha2::{Digest, Sha256};
use std::sync::Arc;
use time::OffsetDateTime;
use time::macros::format_description;

/// Bytes inside of an expression, such as a body or a digest, without copying.
#[derive(Debug)]
pub struct Blob(pub Bytes);

impl Object for Blob {
    fn repr(self: &Arc<Self>) -> ObjectRepr {
        ObjectRepr::Plain
    }

    fn render(self: &Arc<Self>, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&String::from_utf8_lossy(&self.0))
    }
}

pub fn register(env: &mut Environment<'static>) {
    env.add_function("sha256", |parts: Rest<Value>| Ok::<_, Error>(blob(digest(&parts)?)));
    env.add_function("hmac_sha256", |key: Value, parts: Rest<Value>| hmac(&key, &parts));
    env.add_function("hex", |value: Value| Ok::<_, Error>(hex::encode(bytes(&value)?)));
    env.add_function("base64", |value: Value| Ok::<_, Error>(BASE64_STANDARD.encode(bytes(&value)?)));
    env.add_function("base64url", |value: Value| Ok::<_, Error>(BASE64_URL_SAFE_NO_PAD.encode(bytes(&value)?)));
    env.add_function("base64_decode", base64_decode);
    env.add_function("text", |value: Value| Ok::<_, Error>(String::from_utf8_lossy(&bytes(&value)?).into_owned()));
    env.add_function("json", |value: Value| Ok::<_, Error>(String::from_utf8_lossy(&json(&value)?).into_owned()));
    env.add_function("jwt_hs256", jwt_hs256);
    env.add_function("standard_signature", standard_signature);
    env.add_function("iso_time", iso_time);
    env.add_function("iso_seconds", iso_seconds);
    env.add_function("alnum", alnum);
    env.add_function("hex24", |text: Value| Ok::<_, Error>(hex::encode(&digest(&[text])?[..12])));
    env.add_function("uuid", uuid);
    env.add_function("pascal", |text: String| pascal(&text));
    env.add_function("merge", merge);
    env.add_function("deep_merge", deep_merge);
    env.add_function("omit", omit);
    env.add_function("without", without);
    env.add_function("is_hex", |text: Option<String>, length: usize| {
        text.is_some_and(|text| text.len() == length && text.bytes().all(|byte| byte.is_ascii_hexdigit()))
    });
    env.add_function("is_alnum", |text: Option<String>, length: usize| {
        text.is_some_and(|text| text.len() == length && text.bytes().all(|byte| byte.is_ascii_alphanumeric()))
    });
    env.add_function("is_uuid", |text: Option<String>| text.is_some_and(|text| is_uuid(&text)));
}

/// `scenario_session` → `ScenarioSession`
fn pascal(text: &str) -> String {
    let capital = |word: &str| {
        let mut letters = word.chars();
        letters.next().map(|first| first.to_uppercase().chain(letters).collect::<String>()).unwrap_or_default()
    };
    text.split('_').map(capital).collect()
}

fn fail(detail: impl Into<String>) -> Error {
    Error::new(ErrorKind::InvalidOperation, detail.into())
}

fn blob(bytes: impl AsRef<[u8]>) -> Value {
    Value::from_object(Blob(Bytes::copy_from_slice(bytes.as_ref())))
}

/// The bytes of a value: a text's, a number's digits, a blob's, the payload's own.
fn bytes(value: &Value) -> Result<Bytes, Error> {
    if let Some(blob) = value.downcast_object_ref::<Blob>() {
        return Ok(blob.0.clone());
    }
    if let Some(json) = value.downcast_object_ref::<Json>() {
        return Ok(json.raw().clone());
    }
    if let Some(bytes) = value.as_bytes() {
        return Ok(Bytes::copy_from_slice(bytes));
    }
    if let Some(number) = value.downcast_object_ref::<ExactNumber>() {
        return Ok(Bytes::copy_from_slice(number.as_str().as_bytes()));
    }
    match value.as_str() {
        Some(text) => Ok(Bytes::copy_from_slice(text.as_bytes())),
        None if value.is_number() => Ok(Bytes::from(value.to_string())),
        // Nothing in a signature's place would be a signature that anybody can make.
        None if value.is_undefined() || value.is_none() => {
            Err(fail("a value is missing where text or bytes are needed"))
        }
        None => Err(fail(format!("a {} has no bytes; use json(…) first", value.kind()))),
    }
}

fn digest(parts: &[Value]) -> Result<[u8; 32], Error> {
    let mut hash = Sha256::new();
    for part in parts {
        hash.update(bytes(part)?);
    }
    Ok(hash.finalize().into())
}

fn mac(key: &[u8], parts: &[&[u8]]) -> Result<[u8; 32], Error> {
    if key.is_empty() {
        return Err(fail("the key is empty, so anybody could sign"));
    }
    let mut mac = Hmac::<Sha256>::new_from_slice(key).map_err(|_| fail("the key can't be used"))?;
    parts.iter().for_each(|part| mac.update(part));
    Ok(mac.finalize().into_bytes().into())
}

fn hmac(key: &Value, parts: &[Value]) -> Result<Value, Error> {
    if key.is_undefined() || key.is_none() {
        return Err(fail("hmac_sha256 needs a key, and the endpoint has no secret"));
    }
    let parts = parts.iter().map(bytes).collect::<Result<Vec<_>, _>>()?;
    let parts: Vec<&[u8]> = parts.iter().map(|part| &part[..]).collect();
    mac(&bytes(key)?, &parts).map(blob)
}

fn base64_decode(value: Value) -> Result<Value, Error> {
    BASE64_STANDARD.decode(bytes(&value)?).map(blob).map_err(|_| fail("base64_decode got what is not base64"))
}

fn json(value: &Value) -> Result<Bytes, Error> {
    let tree = Tree::from_value(value).map_err(fail)?;
    crate::encode::Encoding::Json.encode(tree).map_err(|error| fail(error.to_string()))
}

fn jwt_hs256(claims: Value, key: Value) -> Result<String, Error> {
    if key.is_undefined() || key.is_none() {
        return Err(fail("jwt_hs256 needs a key, and the endpoint has no secret"));
    }
    const HEADER: &[u8] = br#"{"alg":"HS256","typ":"JWT"}"#;
    let encode = |bytes: &[u8]| BASE64_URL_SAFE_NO_PAD.encode(bytes);
    let signed = format!("{}.{}", encode(HEADER), encode(&json(&claims)?));
    let signature = mac(&bytes(&key)?, &[signed.as_bytes()])?;
    Ok(format!("{signed}.{}", encode(&signature)))
}

/// The entries of several objects in their order; a later one replaces an earlier of the same key.
fn merge(objects: Rest<Value>) -> Result<Value, Error> {
    let mut merged = Entries::default();
    for object in objects.iter() {
        for (key, value) in entries(object).map_err(fail)? {
            merged.insert(key, value);
        }
    }
    Ok(Value::from_pairs(merged.list))
}

/// Levels of objects that are merged; below them the last counts.
const MERGED_LEVELS: usize = 32;

/// Objects together, and the objects in them.
fn deep_merge(objects: Rest<Value>) -> Result<Value, Error> {
    objects.iter().try_fold(Value::from_pairs::<[(String, Value); 0], _, _>([]), |merged, object| {
        merge_at(&merged, object, MERGED_LEVELS)
    })
}

fn merge_at(into: &Value, object: &Value, levels: usize) -> Result<Value, Error> {
    let mut merged = Entries::default();
    for (key, value) in entries(into).map_err(fail)? {
        merged.insert(key, value);
    }
    for (key, value) in entries(object).map_err(fail)? {
        let value = match into.get_item(&Value::from(key.as_str())) {
            Ok(before) if levels > 0 && before.kind() == ValueKind::Map && value.kind() == ValueKind::Map => {
                merge_at(&before, &value, levels - 1)?
            }
            _ => value,
        };
        merged.insert(key, value);
    }
    Ok(Value::from_pairs(merged.list))
}

/// An object without some of its keys.
/// The value without the fields, however deep, whose names hold one of `words`, in whatever case. What has none
/// of them stays as it came.
fn without(value: Value, words: Rest<String>) -> Result<Value, Error> {
    let Some(json) = value.downcast_object_ref::<Json>() else { return Ok(value) };
    let words: Vec<String> = words.iter().map(|word| word.to_ascii_lowercase()).collect();
    let raw = json.raw();
    let mut tree: serde_json::Value = serde_json::from_slice(raw).map_err(|error| fail(error.to_string()))?;
    if remove_fields(&mut tree, &|name| words.iter().any(|word| name.to_lowercase().contains(word))) == 0 {
        return Ok(value);
    }
    Ok(Json::value(Bytes::from(tree.to_string())))
}

/// How many there were.
fn remove_fields(value: &mut serde_json::Value, named: &dyn Fn(&str) -> bool) -> usize {
    match value {
        serde_json::Value::Object(fields) => {
            let before = fields.len();
            fields.retain(|name, _| !named(name));
            let removed = before - fields.len();
            removed + fields.values_mut().map(|field| remove_fields(field, named)).sum::<usize>()
        }
        serde_json::Value::Array(items) => items.iter_mut().map(|item| remove_fields(item, named)).sum(),
        _ => 0,
    }
}

fn omit(object: Value, keys: Rest<String>) -> Result<Value, Error> {
    let kept = entries(&object).map_err(fail)?.into_iter().filter(|(key, _)| !keys.contains(key));
    Ok(Value::from_pairs(kept.collect::<Vec<_>>()))
}

/// Standard Webhooks' signatures over `id.timestamp.body`: `v1` for each `whsec_` secret, `v1a` for
/// each `whsk_` key, separated by spaces.
fn standard_signature(id: Value, timestamp: Value, body: Value, secrets: Vec<String>) -> Result<Value, Error> {
    let (id, timestamp, body) = (bytes(&id)?, bytes(&timestamp)?, bytes(&body)?);
    let parts: [&[u8]; 5] = [&id, b".", &timestamp, b".", &body];
    let sign = |secret: &String| match secret.strip_prefix("whsk_") {
        Some(key) => asymmetric(key, &parts),
        None => symmetric(secret.strip_prefix("whsec_").unwrap_or(secret), &parts),
    };
    if secrets.is_empty() {
        return Ok(Value::from(()));
    }
    Ok(Value::from(secrets.iter().map(sign).collect::<Result<Vec<_>, _>>()?.join(" ")))
}

fn symmetric(secret: &str, parts: &[&[u8]]) -> Result<String, Error> {
    let key = BASE64_STANDARD.decode(secret).map_err(|_| fail("the secret is not base64"))?;
    Ok(format!("v1,{}", BASE64_STANDARD.encode(mac(&key, parts)?)))
}

/// `key` is base64 of the 32-byte seed, or of the seed and the public key.
fn asymmetric(key: &str, parts: &[&[u8]]) -> Result<String, Error> {
    let key = BASE64_STANDARD.decode(key).map_err(|_| fail("the key is not base64"))?;
    let seed = key.first_chunk::<32>().ok_or_else(|| fail("the key is shorter than 32 bytes"))?;
    let signature = SigningKey::from_bytes(seed).sign(&parts.concat());
    Ok(format!("v1a,{}", BASE64_STANDARD.encode(signature.to_bytes())))
}

fn time_of(ms: i64) -> Result<OffsetDateTime, Error> {
    OffsetDateTime::from_unix_timestamp_nanos(i128::from(ms) * 1_000_000).map_err(|_| fail("the time is out of range"))
}

/// `2023-11-14T22:13:20.123Z`, as JavaScript's `toISOString`.
fn iso_time(ms: i64) -> Result<String, Error> {
    let format = format_description!("[year]-[month]-[day]T[hour]:[minute]:[second].[subsecond digits:3]Z");
    time_of(ms)?.format(format).map_err(|error| fail(error.to_string()))
}

/// `2023-11-14T22:13:20Z`.
fn iso_seconds(ms: i64) -> Result<String, Error> {
    let format = format_description!("[year]-[month]-[day]T[hour]:[minute]:[second]Z");
    time_of(ms)?.format(format).map_err(|error| fail(error.to_string()))
}

/// Letters and digits derived from a text: the same for the same text.
fn alnum(text: Value, length: usize) -> Result<String, Error> {
    const DIGITS: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
    if length > 32 {
        return Err(fail("alnum makes at most 32 characters"));
    }
    let digest = digest(&[text])?;
    Ok(digest[..length].iter().map(|byte| char::from(DIGITS[usize::from(*byte) % 62])).collect())
}

/// A UUID (version 8: derived) from a text.
fn uuid(text: Value) -> Result<String, Error> {
    let digest = digest(&[text])?;
    let mut id = [0u8; 16];
    id.copy_from_slice(&digest[..16]);
    id[6] = id[6] & 0x0f | 0x80;
    id[8] = id[8] & 0x3f | 0x80;
    let hex = hex::encode(id);
    Ok(format!("{}-{}-{}-{}-{}", &hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..]))
}

fn is_uuid(text: &str) -> bool {
    let parts: Vec<&str> = text.split('-').collect();
    parts.iter().map(|part| part.len()).eq([8, 4, 4, 4, 12])
        && parts.iter().all(|part| part.bytes().all(|byte| byte.is_ascii_hexdigit()))
}
