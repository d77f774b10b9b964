//! What secrets a contract takes, and how one is made.

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use serde::Deserialize;

/// The kinds of secret.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum SecretKind {
    /// Any text; its bytes are the key.
    #[default]
    Text,
    /// Standard Webhooks': `whsec_` and base64 of 24 to 64 bytes, or a `whsk_` signing key.
    Whsec,
}

/// What is made when none is given.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
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

impl SecretRules {
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
                let right = "use whsec_ and the base64 of 24 to 64 bytes";
                if let Some(key) = secret.strip_prefix("whsk_") {
                    let length = BASE64_STANDARD.decode(key).map(|key| key.len()).unwrap_or(0);
                    return if matches!(length, 32 | 64) {
                        Ok(())
                    } else {
                        Err("a whsk_ key is the base64 of 32 bytes (the seed) or 64 (seed and public key)".to_owned())
                    };
                }
                match BASE64_STANDARD.decode(secret.strip_prefix("whsec_").unwrap_or(secret)) {
                    Ok(key) if (24..=75).contains(&key.len()) => Ok(()),
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
