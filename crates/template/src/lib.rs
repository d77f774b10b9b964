//! Liquid templates that subscribers write, run where they can do no harm.
//!
//! A template is text of at most 64 KiB. Whatever it says, it ends: loops, filters, values and output draw on one
//! budget, and a thread that takes too long is told to stop. What a template can't do is reach anything but the
//! variables it is given.

mod budget;
mod capture_block;
mod depth;
mod error;
mod filters;
mod for_block;
mod json;
mod language;
mod pool;
mod render;
mod runtime;
mod variables;

pub use error::TemplateError;
pub use pool::Templates;
pub use variables::Variables;

/// The longest template, in bytes.
pub const LONGEST: usize = 64 << 10;
