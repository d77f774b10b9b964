//! What one run of a template may use.

use liquid_core::model::ValueView;
use liquid_core::{Error, Result, Runtime};
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// Iterations, filters and pieces of output, together.
pub const STEPS: usize = 200_000;
/// Bytes of every value that is made, and of the output, together.
pub const BYTES: usize = 16 << 20;

/// Kept in the run's registers. A run that has used it up goes on only to its end.
#[derive(Debug)]
pub struct Budget {
    steps: usize,
    bytes: usize,
    /// What there was too little of.
    pub exhausted: Option<(&'static str, usize)>,
    /// Set from outside when it takes too long.
    pub stop: Arc<AtomicBool>,
}

impl Default for Budget {
    fn default() -> Budget {
        Budget { steps: STEPS, bytes: BYTES, exhausted: None, stop: Arc::default() }
    }
}

impl Budget {
    pub fn until(stop: Arc<AtomicBool>) -> Budget {
        Budget { stop, ..Budget::default() }
    }

    pub fn spend(&mut self, steps: usize, bytes: usize) -> Result<()> {
        let enough = |left: &mut usize, cost: usize| {
            let rest = left.checked_sub(cost);
            *left = rest.unwrap_or(0);
            rest.is_some()
        };
        if !enough(&mut self.steps, steps) {
            self.exhausted.get_or_insert(("steps", STEPS));
        }
        if !enough(&mut self.bytes, bytes) {
            self.exhausted.get_or_insert(("bytes of values and output", BYTES));
        }
        if self.exhausted.is_some() || self.stop.load(Ordering::Relaxed) {
            return Err(Error::with_msg("the template was stopped"));
        }
        Ok(())
    }
}

/// Takes so much from the run's budget, or fails.
pub fn spend(runtime: &dyn Runtime, steps: usize, bytes: usize) -> Result<()> {
    runtime.registers().get_mut::<Budget>().spend(steps, bytes)
}

/// Output, of the template or of a `capture`, within the run's budget.
pub struct Output<'a> {
    pub written: Vec<u8>,
    pub runtime: &'a dyn Runtime,
}

impl io::Write for Output<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        spend(self.runtime, 1, bytes.len()).map_err(io::Error::other)?;
        self.written.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Bytes that a value takes, about.
pub fn size(value: &dyn ValueView) -> usize {
    const NODE: usize = 32;
    if let Some(array) = value.as_array() {
        return array.values().map(size).sum::<usize>() + NODE;
    }
    if let Some(object) = value.as_object() {
        return object.iter().map(|(key, value)| key.len() + size(value) + NODE).sum::<usize>() + NODE;
    }
    value.as_scalar().map_or(0, |scalar| scalar.to_kstr().len()) + NODE
}
