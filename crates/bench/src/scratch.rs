//! Where a server keeps its data while it is measured.

use crate::clock::now_ns;
use crate::failure::Failure;
use std::path::{Path, PathBuf};

/// A directory of our own, removed with everything in it when dropped.
#[derive(Debug)]
pub struct Scratch(PathBuf);

impl Scratch {
    /// Makes one in `parent`.
    pub fn new(parent: &Path) -> Result<Scratch, Failure> {
        let path = parent.join(format!("postrider-bench-{}-{:x}", std::process::id(), now_ns()));
        let failed = |reason| Failure::File { path: path.clone(), reason };
        std::fs::create_dir_all(&path).map_err(failed)?;
        Ok(Scratch(path.canonicalize().map_err(failed)?))
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}
