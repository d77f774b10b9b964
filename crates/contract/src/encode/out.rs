//! The bytes of a body while they are written, up to the largest body.

use crate::render::{LARGEST_BODY, RenderError};
use bytes::Bytes;

/// Takes what is written until there is too much; then it drops the rest and says so at the end.
#[derive(Debug, Default)]
pub struct Out {
    bytes: Vec<u8>,
    full: bool,
}

impl Out {
    pub fn bytes(&mut self, bytes: &[u8]) {
        if self.bytes.len().saturating_add(bytes.len()) > LARGEST_BODY {
            self.full = true;
        }
        if !self.full {
            self.bytes.extend_from_slice(bytes);
        }
    }

    pub fn text(&mut self, text: &str) {
        self.bytes(text.as_bytes());
    }

    /// Whether more is in vain, so that a writer may stop.
    pub fn is_full(&self) -> bool {
        self.full
    }

    pub fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    pub fn finish(self) -> Result<Bytes, RenderError> {
        if self.full { Err(RenderError::TooLarge) } else { Ok(Bytes::from(self.bytes)) }
    }
}
