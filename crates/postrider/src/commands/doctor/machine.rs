//! The machine: its clock, its disk, who may read what.

use super::check::Check;
use crate::commands::migrate::key_file;
use rustix::fs::{Access, access, statvfs};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

/// 2025-01-01T00:00:00Z.
const YEAR_2025_MS: i64 = 1_735_689_600_000;
const MIB: u64 = 1 << 20;
/// With less than this there is no room for a checkpoint and what comes meanwhile.
const LEAST_FREE: u64 = 200 * MIB;

/// Whether the wall clock was ever set.
pub fn clock(wall_ms: i64) -> Check {
    if wall_ms >= YEAR_2025_MS {
        return Check::ok("clock", "the wall clock is set");
    }
    Check::problem(
        "clock",
        "the wall clock shows a time before 2025, so every signature carries a wrong time",
        "Set the clock, and let NTP (chrony, systemd-timesyncd) keep it.",
    )
}

/// The room where the data lies, or will lie.
pub fn disk(dir: &Path) -> Check {
    let there = dir.ancestors().find(|dir| dir.exists()).unwrap_or(Path::new("."));
    match statvfs(there) {
        Ok(disk) => room(disk.f_bavail.saturating_mul(disk.f_frsize), disk.f_blocks.saturating_mul(disk.f_frsize)),
        Err(error) => Check::problem(
            "disk",
            format!("can't ask how full the disk of {} is: {error}", there.display()),
            "Run this as the user that the server runs as.",
        ),
    }
}

fn room(free: u64, total: u64) -> Check {
    let percent = free.saturating_mul(100) / total.max(1);
    let message = format!("{} free of {} ({percent} %)", size(free), size(total));
    let advice = "Make room, or move the data to a larger disk: when it is full, messages are refused.";
    if free < LEAST_FREE || free.saturating_mul(50) < total {
        Check::problem("disk", message, advice)
    } else if free.saturating_mul(10) < total {
        Check::warning("disk", message, advice)
    } else {
        Check::ok("disk", message)
    }
}

/// Sizes for people.
pub fn size(bytes: u64) -> String {
    let mib = bytes as f64 / MIB as f64;
    if mib < 1_024.0 { format!("{mib:.1} MiB") } else { format!("{:.1} GiB", mib / 1_024.0) }
}

/// Whether the data can be written by us and the key read by nobody else.
pub fn permissions(dir: &Path) -> Vec<Check> {
    let mut checks = Vec::new();
    let database = dir.join("postrider.db");
    for path in [dir, database.as_path()].into_iter().filter(|path| path.exists()) {
        if let Err(error) = access(path, Access::READ_OK | Access::WRITE_OK) {
            checks.push(Check::problem(
                "permissions",
                format!("{} can't be read and written: {error}", path.display()),
                "Run this as the user that the server runs as; give that user the data with chown -R.",
            ));
        }
    }
    let key = key_file(dir);
    checks.extend(key_mode(&key));
    if checks.is_empty() {
        let and_key = if key.exists() { ", and the key file is ours alone" } else { "" };
        checks.push(Check::ok("permissions", format!("the data can be written{and_key}")));
    }
    checks
}

fn key_mode(file: &Path) -> Option<Check> {
    let mode = file.metadata().ok()?.permissions().mode() & 0o777;
    (mode & 0o077 != 0).then(|| {
        Check::problem(
            "permissions",
            format!("others may use the key file {} (mode {mode:04o})", file.display()),
            format!("chmod 600 {}", file.display()),
        )
    })
}

#[cfg(test)]
mod tests {
    use super::super::check::Status;
    use super::*;

    #[test]
    fn a_disk_is_a_problem_before_it_is_full() {
        let status = |free_mib: u64, total_mib: u64| room(free_mib * MIB, total_mib * MIB).status;
        assert_eq!(status(50_000, 100_000), Status::Ok);
        assert_eq!(status(9_999, 100_000), Status::Warning);
        assert_eq!(status(1_999, 100_000), Status::Problem);
        assert_eq!(status(199, 400), Status::Problem, "half of it is free, and yet too little");
        assert_eq!(room(0, 0).status, Status::Problem);
        assert_eq!(room(150 * MIB * 1_024, 300 * MIB * 1_024).message, "150.0 GiB free of 300.0 GiB (50 %)");
    }

    #[test]
    fn a_clock_that_was_never_set_is_a_problem() {
        assert_eq!(clock(0).status, Status::Problem);
        assert_eq!(clock(YEAR_2025_MS).status, Status::Ok);
    }
}
