//! The system's files about names.

use hickory_resolver::Hosts;
use hickory_resolver::config::{ResolverConfig, ResolverOpts};
use hickory_resolver::system_conf;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// Where they are.
#[derive(Clone, Debug)]
pub struct SystemFiles {
    pub resolv_conf: PathBuf,
    pub hosts: PathBuf,
}

impl Default for SystemFiles {
    fn default() -> SystemFiles {
        SystemFiles { resolv_conf: "/etc/resolv.conf".into(), hosts: "/etc/hosts".into() }
    }
}

/// What tells one state of the files from another.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fingerprint {
    resolv_conf: Option<State>,
    hosts: Option<State>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct State {
    device: u64,
    inode: u64,
    size_bytes: u64,
    /// Of the last change, in seconds and nanoseconds.
    changed: (i64, i64),
}

impl State {
    /// `None`: the file is not there.
    fn of(path: &Path) -> Option<State> {
        let is = std::fs::metadata(path).ok()?;
        let changed = (is.ctime(), is.ctime_nsec());
        Some(State { device: is.dev(), inode: is.ino(), size_bytes: is.size(), changed })
    }
}

impl SystemFiles {
    pub fn fingerprint(&self) -> Fingerprint {
        Fingerprint { resolv_conf: State::of(&self.resolv_conf), hosts: State::of(&self.hosts) }
    }

    /// The name servers, search domains and options.
    #[cfg(not(target_vendor = "apple"))]
    pub fn resolver(&self) -> Result<(ResolverConfig, ResolverOpts), String> {
        let bytes = std::fs::read(&self.resolv_conf).map_err(|error| error.to_string())?;
        system_conf::parse_resolv_conf(bytes).map_err(|error| error.to_string())
    }

    #[cfg(target_vendor = "apple")]
    pub fn resolver(&self) -> Result<(ResolverConfig, ResolverOpts), String> {
        system_conf::read_system_conf().map_err(|error| error.to_string())
    }

    /// Names with fixed addresses; none if the file can't be read.
    pub fn hosts(&self) -> Hosts {
        let mut hosts = Hosts::default();
        let read = std::fs::File::open(&self.hosts).and_then(|file| hosts.read_hosts_conf(file));
        match read {
            Ok(()) => {}
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
            Err(error) => tracing::warn!(file = %self.hosts.display(), %error, "the hosts file can't be read"),
        }
        hosts
    }
}
