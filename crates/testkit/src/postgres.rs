//! A PostgreSQL server of a test's own, to be killed, restarted and cut off.

use std::path::PathBuf;
use std::process::{Command, Stdio};
use tempfile::TempDir;

use crate::process::free_port;

/// A running server; killed and removed when dropped.
#[derive(Debug)]
pub struct Postgres {
    host: String,
    port: u16,
    dir: TempDir,
}

impl Postgres {
    /// Starts one on loopback, or on another address of this machine. `None`, with a line that says so,
    /// where PostgreSQL is not installed; in CI it must be.
    pub fn start(host: &str, settings: &[&str]) -> Option<Postgres> {
        if tool("pg_ctl").is_none() {
            assert!(std::env::var_os("CI").is_none(), "PostgreSQL is not installed: run `scripts/services start`");
            println!("skipped: PostgreSQL is not installed; `scripts/services start` installs it");
            return None;
        }
        let server = Postgres { host: host.to_owned(), port: free_port(), dir: TempDir::new().unwrap() };
        if is_root() {
            run(Command::new("chown").arg("postgres").arg(server.dir.path()));
        }
        let data = server.data();
        run(as_postgres("initdb").arg("-D").arg(&data).args([
            "-U",
            "postgres",
            "-A",
            "trust",
            "-E",
            "UTF8",
            "--locale=C",
        ]));
        let mut conf = std::fs::read_to_string(data.join("postgresql.conf")).unwrap();
        conf.push_str(&format!("listen_addresses = '{host}'\nport = {}\nunix_socket_directories = ''\n", server.port));
        conf.push_str("max_connections = 200\n");
        settings.iter().for_each(|line| conf.push_str(&format!("{line}\n")));
        std::fs::write(data.join("postgresql.conf"), conf).unwrap();
        let mut hba = std::fs::read_to_string(data.join("pg_hba.conf")).unwrap();
        hba.push_str("host all all samenet trust\n");
        std::fs::write(data.join("pg_hba.conf"), hba).unwrap();
        server.up();
        Some(server)
    }

    /// The URL of its first database, with a short lease.
    pub fn url(&self) -> String {
        format!("postgres://postgres@{}:{}/postgres?lease=4", self.host, self.port)
    }

    pub fn address(&self) -> (String, u16) {
        (self.host.clone(), self.port)
    }

    pub fn data(&self) -> PathBuf {
        self.dir.path().join("data")
    }

    /// Starts it again after [`Postgres::crash`].
    pub fn up(&self) {
        let log = self.dir.path().join("log");
        run(as_postgres("pg_ctl").arg("-D").arg(self.data()).arg("-l").arg(log).args(["-w", "start"]));
    }

    /// Ends it without a last word: connections are cut, nothing is flushed.
    pub fn crash(&self) {
        run(as_postgres("pg_ctl").arg("-D").arg(self.data()).args(["-m", "immediate", "-w", "stop"]));
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        let mut stop = as_postgres("pg_ctl");
        let _ = stop.arg("-D").arg(self.data()).args(["-m", "immediate", "stop"]).stdout(Stdio::null()).status();
    }
}

fn is_root() -> bool {
    let id = Command::new("id").arg("-u").output().unwrap();
    id.stdout.trim_ascii() == b"0"
}

/// Debian keeps the server's tools by version, out of the way.
fn tool(name: &str) -> Option<PathBuf> {
    let versions = std::fs::read_dir("/usr/lib/postgresql").ok()?;
    let mut found: Vec<_> = versions.filter_map(|version| Some(version.ok()?.path().join("bin").join(name))).collect();
    found.retain(|path| path.exists());
    found.sort();
    found.pop()
}

/// PostgreSQL does not run as root.
fn as_postgres(name: &str) -> Command {
    let tool = tool(name).unwrap();
    if !is_root() {
        return Command::new(tool);
    }
    let mut command = Command::new("runuser");
    command.args(["-u", "postgres", "--"]).arg(tool);
    command
}

fn run(command: &mut Command) {
    let output = command.stdout(Stdio::null()).stderr(Stdio::inherit()).current_dir("/").status().unwrap();
    assert!(output.success(), "{command:?}");
}
