//! A PostgreSQL server of a test's own, to be killed, restarted and cut off.

use crate::certs::Identity;
use crate::process::free_port;
use crate::skip::skip;
use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use tempfile::TempDir;

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
    pub fn start(host: &str) -> Option<Postgres> {
        let server = Postgres::make(host)?;
        server.up();
        Some(server)
    }

    /// One that takes encrypted connections alone, under this identity.
    pub fn start_tls(host: &str, identity: &Identity) -> Option<Postgres> {
        let server = Postgres::make(host)?;
        let data = server.data();
        server.write("server.crt", identity.chain_pem());
        server.write("server.key", identity.key_pem());
        server.add("postgresql.conf", "ssl = on\n");
        let rules = std::fs::read_to_string(data.join("pg_hba.conf")).unwrap();
        server.write("pg_hba.conf", &rules.replace("host ", "hostssl "));
        server.up();
        Some(server)
    }

    fn make(host: &str) -> Option<Postgres> {
        if tool("pg_ctl").is_none() {
            skip("PostgreSQL is not installed, `scripts/services start` installs it");
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
        let (port, sockets) = (server.port, "unix_socket_directories = ''");
        let settings = format!("listen_addresses = '{host}'\nport = {port}\n{sockets}\nmax_connections = 200\n");
        server.add("postgresql.conf", &settings);
        server.add("pg_hba.conf", "host all all samenet trust\n");
        Some(server)
    }

    fn add(&self, file: &str, lines: &str) {
        let before = std::fs::read_to_string(self.data().join(file)).unwrap();
        self.write(file, &(before + lines));
    }

    /// A file that is the server's alone, as it insists of its key.
    fn write(&self, file: &str, text: &str) {
        let path = self.data().join(file);
        std::fs::write(&path, text).unwrap();
        std::fs::set_permissions(&path, Permissions::from_mode(0o600)).unwrap();
        if is_root() {
            run(Command::new("chown").arg("postgres").arg(&path));
        }
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
