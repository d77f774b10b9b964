//! What secrets a contract takes, and how one is made.

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use ed25519_dalek::SigningKey;

/// The kinds of secret.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SecretKind {
    /// Any text; its bytes are the key.
    #[default]
    Text,
    /// Standard Webhooks': `whsec_` and base64 of 24 to 64 bytes, or a `whsk_` signing key.
    Whsec,
}

/// What is made when none is given.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Generate {
    /// 32 hexadecimal digits.
    #[default]
    Hex,
    Uuid,
    Whsec,
    /// Nothing: the secret is optional.
    None,
}

/// See the module.
#[derive(Clone, Debug)]
pub struct SecretRules {
    pub(crate) kind: SecretKind,
    pub(crate) min: usize,
    pub(crate) max: usize,
    pub(crate) generate: Generate,
    pub(crate) overlap: bool,
}

impl SecretKind {
    /// The names in a contract file.
    pub const NAMES: &[(&str, SecretKind)] = &[("text", SecretKind::Text), ("whsec", SecretKind::Whsec)];
}

impl Generate {
    /// The names in a contract file.
    pub const NAMES: &[(&str, Generate)] =
        &[("hex", Generate::Hex), ("uuid", Generate::Uuid), ("whsec", Generate::Whsec), ("none", Generate::None)];
}

impl SecretRules {
    /// Whether one is made where none is given.
    pub fn is_needed(&self) -> bool {
        self.generate != Generate::None
    }

    /// `Err` says what is wrong with a secret and what would be right; it never repeats it.
    pub fn check(&self, secret: &str) -> Result<(), String> {
        match self.kind {
            SecretKind::Text => {
                let count = secret.chars().count();
                if (self.min..=self.max).contains(&count) {
                    return Ok(());
                }
                Err(format!("has {count} characters; {} to {} are allowed", self.min, self.max))
            }
            SecretKind::Whsec => {
                if let Some(key) = secret.strip_prefix("whsk_") {
                    return signing_key(key);
                }
                let right = "use whsec_ and the base64 of 24 to 64 bytes";
                let (text, prefixed) = secret.strip_prefix("whsec_").map_or((secret, false), |text| (text, true));
                match BASE64_STANDARD.decode(text) {
                    Ok(key) if prefixed && (24..=64).contains(&key.len()) => Ok(()),
                    // Svix takes it without the prefix, and by its length as text.
                    Ok(_) if !prefixed && (32..=100).contains(&text.len()) => Ok(()),
                    Ok(key) => Err(format!("holds {} bytes; {right}", key.len())),
                    Err(_) => Err(format!("is not base64; {right}")),
                }
            }
        }
    }

    /// A new secret from random bytes; `None` where the contract makes none.
    pub fn generate(&self, random: &[u8; 32]) -> Option<String> {
        match self.generate {
            Generate::None => None,
            Generate::Hex => Some(hex::encode(&random[..16])),
            Generate::Whsec => Some(format!("whsec_{}", BASE64_STANDARD.encode(&random[..24]))),
            Generate::Uuid => {
                let mut id = [0u8; 16];
                id.copy_from_slice(&random[..16]);
                id[6] = id[6] & 0x0f | 0x40;
                id[8] = id[8] & 0x3f | 0x80;
                let hex = hex::encode(id);
                Some(format!("{}-{}-{}-{}-{}", &hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..]))
            }
        }
    }

    /// Whether a rotation signs with the old secret too for a while.
    pub fn overlap(&self) -> bool {
        self.overlap
    }
}

/// What the owner of an endpoint verifies with: the public key (`whpk_…`) of a `whsk_` signing key, which is
/// the provider's alone; any other secret itself.
pub fn for_receiver(secret: &str) -> String {
    let seed = secret.strip_prefix("whsk_").and_then(|key| BASE64_STANDARD.decode(key).ok());
    match seed.as_ref().and_then(|key| key.first_chunk::<32>()) {
        Some(seed) => {
            let public = SigningKey::from_bytes(seed).verifying_key();
            format!("whpk_{}", BASE64_STANDARD.encode(public.as_bytes()))
        }
        None => secret.to_owned(),
    }
}

/// The base64 of an Ed25519 seed, or of the seed and the public key that belongs to it.
fn signing_key(text: &str) -> Result<(), String> {
    let key = BASE64_STANDARD.decode(text).map_err(|_| "is not base64 behind whsk_".to_owned())?;
    if key.len() == 32 {
        return Ok(());
    }
    match <[u8; 64]>::try_from(key) {
        Ok(pair) if SigningKey::from_keypair_bytes(&pair).is_ok() => Ok(()),
        Ok(_) => Err("is a whsk_ key whose second half is not the public key of its first".to_owned()),
        Err(_) => Err("a whsk_ key is the base64 of 32 bytes (the seed) or 64 (seed and public key)".to_owned()),
    }
}
