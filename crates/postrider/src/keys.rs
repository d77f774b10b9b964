//! The two keys of an installation: the one that encrypts secrets, and the first API key.

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use rand::Rng;
use std::fs::OpenOptions;
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use thiserror::Error;

const FILE: &str = "secret.key";

/// What is wrong with a key.
#[derive(Debug, Error)]
pub enum KeyError {
    #[error(
        "POSTRIDER_SECRET_KEY must be 32 bytes in standard base64 (44 characters); make one with `openssl rand -base64 32`"
    )]
    BadSecretKey,
    #[error(
        "with PostgreSQL, POSTRIDER_SECRET_KEY must be set, the same on every server: 32 bytes in standard base64. Make one with `openssl rand -base64 32`, and keep it"
    )]
    NoSecretKey,
    #[error("{file} does not hold 32 bytes in base64; put back the one the data was made with")]
    BadKeyFile { file: String },
    #[error("POSTRIDER_API_KEY must be 16 to 256 printable ASCII characters without spaces; it has {0}")]
    BadApiKey(usize),
    #[error("can't use the key file {file}: {reason}")]
    File { file: String, reason: String },
}

/// The key from the environment, else from the key file in `dir`, which is made when it isn't there.
pub fn secret_key(from_env: Option<&str>, dir: &Path) -> Result<[u8; 32], KeyError> {
    if let Some(text) = from_env {
        return decode(text).ok_or(KeyError::BadSecretKey);
    }
    let path = dir.join(FILE);
    let fail = |error: std::io::Error| KeyError::File { file: path.display().to_string(), reason: error.to_string() };
    if path.exists() {
        let text = std::fs::read_to_string(&path).map_err(fail)?;
        return decode(text.trim()).ok_or_else(|| KeyError::BadKeyFile { file: path.display().to_string() });
    }
    std::fs::create_dir_all(dir).map_err(fail)?;
    let key: [u8; 32] = rand::rng().random();
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path).map_err(fail)?;
    writeln!(file, "{}", BASE64_STANDARD.encode(key)).and_then(|()| file.sync_all()).map_err(fail)?;
    Ok(key)
}

/// Checks an API key that the operator chose.
pub fn check_api_key(key: &str) -> Result<(), KeyError> {
    let printable = key.bytes().all(|byte| byte.is_ascii_graphic());
    if printable && (16..=256).contains(&key.len()) { Ok(()) } else { Err(KeyError::BadApiKey(key.chars().count())) }
}

fn decode(text: &str) -> Option<[u8; 32]> {
    BASE64_STANDARD.decode(text).ok()?.try_into().ok()
}
