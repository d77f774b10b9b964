//! Room on the disk that is kept free for a start.
//!
//! A server that was killed on a full disk has to write when it starts: what recovery finds, and SQLite's own log. So a
//! file that holds nothing takes up the room that this needs, and gives it up when a start finds none.

use rustix::fs::{FallocateFlags, StatVfs, fallocate, statvfs};
use std::fs::File;
use std::path::{Path, PathBuf};

const NAME: &str = "reserve";
const BYTES: u64 = 8 << 20;
/// So much must be left beside it: it must not be what fills the disk.
const LEAVES_BYTES: u64 = 2 * BYTES;

/// The file in a data directory.
#[derive(Debug)]
pub struct Reserve(PathBuf);

impl Reserve {
    pub fn of(dir: &Path) -> Reserve {
        Reserve(dir.join(NAME))
    }

    /// Gives the room up. False when there is none to give.
    pub fn give_up(&self) -> bool {
        std::fs::remove_file(&self.0).is_ok()
    }

    /// Takes the room where there is enough, unless it is taken already.
    pub fn take(&self) {
        let taken = std::fs::metadata(&self.0).is_ok_and(|file| file.len() >= BYTES);
        let dir = self.0.parent().unwrap_or(Path::new("."));
        let has_room = |disk: StatVfs| disk.f_bavail.saturating_mul(disk.f_frsize) >= BYTES + LEAVES_BYTES;
        if !taken && statvfs(dir).is_ok_and(has_room) {
            self.make(BYTES);
        }
    }

    /// Takes back what a start has left of it, for the next one.
    pub fn take_back(&self) {
        let _ = [BYTES / 2, BYTES / 4, BYTES / 8].into_iter().find(|bytes| self.make(*bytes));
    }

    fn make(&self, bytes: u64) -> bool {
        let made = File::create(&self.0).and_then(|file| Ok(fallocate(&file, FallocateFlags::empty(), 0, bytes)?));
        if let Err(error) = &made {
            let _ = std::fs::remove_file(&self.0);
            tracing::debug!(%error, bytes, "could not keep room free for a start on a full disk");
        }
        made.is_ok()
    }
}
