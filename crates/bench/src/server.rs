//! The server that is measured: one that we start, or one that runs already.

use crate::api::Api;
use crate::args::Args;
use crate::clock::{now_ns, seconds};
use crate::failure::Failure;
use crate::process;
use crate::scratch::Scratch;
use std::fs::OpenOptions;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;
use tokio::time::sleep;

/// Good for nothing but a server on loopback that is gone in a minute.
const API_KEY: &str = "postrider-bench-key";
const START_WITHIN: f64 = 120.0;
const STOP_WITHIN: f64 = 120.0;
const LOG: &str = "server.log";
/// Lines of the log that a failure shows.
const LAST_WORDS: usize = 20;

/// The same for all servers on one database.
const SECRET_KEY: &str = "MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE=";

/// What is under measurement: a server, or several on one database.
#[derive(Debug)]
pub struct Server {
    pub api: Api,
    pids: Vec<u32>,
    own: Vec<Running>,
}

/// A process of ours; killed when dropped.
#[derive(Debug)]
struct Running {
    child: Child,
    api: Api,
    log: PathBuf,
}

impl Server {
    /// The server that the arguments name, or new ones with their data in `scratch`.
    pub async fn open(args: &Args, scratch: &Scratch, database: Option<&str>) -> Result<Server, Failure> {
        match (&args.url, &args.token) {
            (Some(url), Some(token)) => {
                Ok(Server { api: Api::new(url, token).await?, pids: args.pid.into_iter().collect(), own: vec![] })
            }
            _ => Ok(Server::start(scratch.path(), database, args.nodes).await?.0),
        }
    }

    /// Starts `nodes`, and says how many seconds it took until the last was healthy.
    pub async fn start(dir: &Path, database: Option<&str>, nodes: u32) -> Result<(Server, f64), Failure> {
        let spawned = now_ns();
        let mut own = Vec::new();
        for _ in 0..nodes {
            own.push(Running::start(dir, database).await?);
        }
        let took = seconds(spawned, now_ns());
        let first = own.first().ok_or_else(|| Failure::Usage("--nodes must be at least 1".to_owned()))?;
        Ok((Server { api: first.api.clone(), pids: own.iter().map(|node| node.child.id()).collect(), own }, took))
    }

    /// Where to post to.
    pub fn addresses(&self) -> Vec<SocketAddr> {
        if self.own.is_empty() {
            vec![self.api.address]
        } else {
            self.own.iter().map(|node| node.api.address).collect()
        }
    }

    /// Whether it ends when we are done.
    pub fn is_own(&self) -> bool {
        !self.own.is_empty()
    }

    /// CPU time used so far by all, in microseconds, where the processes are known.
    pub fn cpu_us(&self) -> Option<u64> {
        self.pids.iter().map(|pid| process::cpu_us(*pid)).reduce(|sum, one| Some(sum? + one?))?
    }

    /// The highest peak memory of one so far, in bytes, where the processes are known.
    pub fn peak_memory(&self) -> Option<u64> {
        self.pids.iter().filter_map(|pid| process::peak_memory(*pid)).max()
    }

    /// Fails when a server of ours has ended: what is measured from then on means nothing.
    pub fn check(&mut self) -> Result<(), Failure> {
        for running in &mut self.own {
            if let Some(status) = running.child.try_wait()? {
                return Err(running.failure(format!("ended while it was measured ({status})")));
            }
        }
        Ok(())
    }

    /// Lets servers of ours finish, and says how many seconds it took.
    pub async fn stop(self) -> Result<f64, Failure> {
        let asked = now_ns();
        for running in self.own {
            running.stop().await?;
        }
        Ok(seconds(asked, now_ns()))
    }
}

impl Running {
    /// Starts one with its data in `dir`, or in a database, and waits until it is healthy.
    async fn start(dir: &Path, database: Option<&str>) -> Result<Running, Failure> {
        let binary = binary()?;
        let port = free_port()?;
        let api = Api::new(&format!("http://127.0.0.1:{port}"), API_KEY).await?;
        let log = dir.join(LOG);
        let at_log = |reason| Failure::File { path: log.clone(), reason };
        let output = OpenOptions::new().create(true).append(true).open(&log).map_err(at_log)?;
        let mut command = Command::new(&binary);
        // Settings of the person who measures must not change what is measured.
        for (name, _) in std::env::vars_os() {
            if name.to_string_lossy().starts_with("POSTRIDER_") {
                command.env_remove(name);
            }
        }
        command
            .current_dir(dir)
            .env("POSTRIDER_API_KEY", API_KEY)
            .env("RUST_LOG", "warn")
            .args(["serve", "--listen", &format!("127.0.0.1:{port}"), "--data"])
            .arg(dir.join("data"))
            .args(database.map(|url| format!("--database={url}")))
            .env("POSTRIDER_SECRET_KEY", SECRET_KEY)
            .args(["--allow-network", "127.0.0.0/8", "--relax-contracts"])
            .stdin(Stdio::null())
            .stdout(output.try_clone().map_err(at_log)?)
            .stderr(output);
        let spawned = now_ns();
        let child = command.spawn().map_err(|reason| Failure::File { path: binary, reason })?;
        let mut running = Running { child, api, log };
        while !running.api.is_healthy().await {
            if let Some(status) = running.child.try_wait()? {
                return Err(running.failure(format!("ended at once ({status})")));
            }
            if seconds(spawned, now_ns()) > START_WITHIN {
                return Err(running.failure(format!("was not healthy after {START_WITHIN} s")));
            }
            sleep(Duration::from_millis(2)).await;
        }
        Ok(running)
    }

    /// Asks it to end, and waits until it has.
    async fn stop(mut self) -> Result<(), Failure> {
        let asked = now_ns();
        process::terminate(self.child.id())?;
        loop {
            match self.child.try_wait()? {
                Some(status) if status.success() => return Ok(()),
                Some(status) => return Err(self.failure(format!("did not end well ({status})"))),
                None if seconds(asked, now_ns()) > STOP_WITHIN => {
                    return Err(self.failure(format!("did not end within {STOP_WITHIN} s of SIGTERM")));
                }
                None => sleep(Duration::from_millis(5)).await,
            }
        }
    }

    fn failure(&self, what: String) -> Failure {
        let text = std::fs::read_to_string(&self.log).unwrap_or_default();
        let lines: Vec<&str> = text.lines().collect();
        Failure::Server { what, log: lines[lines.len().saturating_sub(LAST_WORDS)..].join("\n") }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // Both fail when it has ended already, which is as well.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A port that was free a moment ago, and will be closed when nothing is started on it.
pub fn free_port() -> Result<u16, Failure> {
    Ok(std::net::TcpListener::bind("127.0.0.1:0")?.local_addr()?.port())
}

/// Makes sure that there is a server to measure, of the same build profile as we are.
pub fn build() -> Result<(), Failure> {
    // Under `cargo run` the source is at hand, and an old binary would be measured for a new one.
    let by_cargo = std::env::var_os("CARGO");
    if by_cargo.is_none() && binary()?.exists() {
        return Ok(());
    }
    let mut command = Command::new(by_cargo.unwrap_or_else(|| "cargo".into()));
    command.args(["build", "-p", "postrider"]);
    if !cfg!(debug_assertions) {
        command.arg("--release");
    }
    // Standard output is for the result alone.
    let output = command.stdin(Stdio::null()).stdout(Stdio::null()).status()?;
    if !output.success() || !binary()?.exists() {
        return Err(Failure::Usage("there is no server to measure: `cargo build -p postrider` failed".to_owned()));
    }
    Ok(())
}

fn binary() -> Result<PathBuf, Failure> {
    Ok(std::env::current_exe()?.with_file_name(format!("postrider{}", std::env::consts::EXE_SUFFIX)))
}
