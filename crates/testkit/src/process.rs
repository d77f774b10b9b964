//! Postrider as a process of its own, to be killed.

use crate::app::{Client, KEY, eventually};
use crate::database;
use postrider_store::doctor::{embedded_deliveries, postgres_deliveries};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;

/// 32 bytes.
const SECRET_KEY: &str = "MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE=";

/// A `postrider serve` that a test may end as it likes. Killed when dropped.
#[derive(Debug)]
pub struct Process {
    pub client: Client,
    child: Child,
}

/// How to start the binary.
#[derive(Clone, Debug)]
pub struct Serve {
    /// `env!("CARGO_BIN_EXE_postrider")`
    pub binary: PathBuf,
    pub data: PathBuf,
    /// `None`: the embedded one in `data`.
    pub database: Option<String>,
    /// Where it listens.
    pub host: String,
    pub port: u16,
    /// What the binary is started with, such as `ip netns exec NAME`.
    pub wrapper: Vec<String>,
    pub args: Vec<String>,
    pub env: Vec<(String, String)>,
}

impl Serve {
    /// On a free port, with loopback open and the test kit's key.
    pub fn new(binary: impl AsRef<Path>, data: &Path) -> Serve {
        Serve {
            binary: binary.as_ref().to_owned(),
            data: data.to_owned(),
            database: database::of(data),
            host: "127.0.0.1".to_owned(),
            port: free_port(),
            wrapper: vec![],
            args: ["--allow-network", "127.0.0.0/8", "--relax-contracts"].map(str::to_owned).into(),
            env: [("POSTRIDER_API_KEY", KEY), ("POSTRIDER_SECRET_KEY", SECRET_KEY)]
                .map(|(name, value)| (name.to_owned(), value.to_owned()))
                .into(),
        }
    }

    /// The same on the embedded database, whatever the other tests run on.
    pub fn embedded(binary: impl AsRef<Path>, data: &Path) -> Serve {
        Serve { database: None, ..Serve::new(binary, data) }
    }

    /// The command, not started.
    pub fn command(&self) -> Command {
        let mut command = match self.wrapper.split_first() {
            Some((program, args)) => {
                let mut command = Command::new(program);
                command.args(args).arg(&self.binary);
                command
            }
            None => Command::new(&self.binary),
        };
        command.arg("serve").args(["--listen", &format!("{}:{}", self.host, self.port)]).arg("--data").arg(&self.data);
        if let Some(url) = &self.database {
            command.args(["--database", url]);
        }
        command.args(&self.args).envs(self.env.iter().cloned()).env("RUST_LOG", "warn").stdin(Stdio::null());
        command
    }

    /// Looks at the database that a dead process left: every delivery must be accounted for.
    pub async fn check_deliveries(&self) {
        let found = match &self.database {
            Some(url) => postgres_deliveries(url).await,
            None if !self.data.join("postrider.db").exists() => return,
            None => embedded_deliveries(&self.data),
        };
        let found = found.unwrap();
        assert!(found.is_empty(), "{} deliveries are not accounted for: {found:?}", found.len());
    }

    /// Starts it and kills it after this time, wherever it is in its start.
    pub fn start_and_kill(&self, after: Duration) {
        let mut child = self.command().spawn().unwrap();
        std::thread::sleep(after);
        child.kill().unwrap();
        child.wait().unwrap();
    }

    /// Starts it and waits until it answers.
    pub async fn start(&self) -> Process {
        let mut child = self.command().spawn().unwrap();
        let client = Client::new(&format!("http://{}:{}", self.host, self.port), KEY);
        let up = eventually(async || {
            assert_eq!(child.try_wait().unwrap(), None, "postrider ended instead of starting");
            client.try_request("GET", "/api/v1/health", &[], None).await.is_ok_and(|reply| reply.status == 204)
        })
        .await;
        assert!(up, "postrider did not start");
        Process { client, child }
    }
}

impl Process {
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// `kill -9`: no warning, no last word.
    pub fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Sends a signal by name, such as `TERM`.
    pub fn signal(&self, name: &str) {
        let sent = Command::new("kill").args([&format!("-{name}"), &self.pid().to_string()]).status().unwrap();
        assert!(sent.success());
    }

    /// Waits for the process to end by itself.
    pub async fn ended(mut self) -> ExitStatus {
        let mut status = None;
        assert!(
            eventually(async || {
                status = self.child.try_wait().unwrap();
                status.is_some()
            })
            .await,
            "the process did not end"
        );
        status.unwrap()
    }

    /// The most memory that was resident so far, in MiB.
    pub fn memory_mib(&self) -> u64 {
        self.status_mib("VmHWM:")
    }

    /// Memory that is resident now, in MiB.
    pub fn memory_now_mib(&self) -> u64 {
        self.status_mib("VmRSS:")
    }

    fn status_mib(&self, field: &str) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.pid())).unwrap();
        let value = status.lines().find_map(|line| line.strip_prefix(field)).unwrap();
        value.trim().trim_end_matches(" kB").trim().parse::<u64>().unwrap() / 1_024
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A port that nobody listens on.
pub fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}
