//! The server that is measured: one that we start, or one that runs already.

use crate::api::Api;
use crate::args::Args;
use crate::clock::{now_ns, seconds};
use crate::failure::Failure;
use crate::process;
use crate::scratch::Scratch;
use std::fs::OpenOptions;
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

/// A server under measurement.
#[derive(Debug)]
pub struct Server {
    pub api: Api,
    pid: Option<u32>,
    own: Option<Running>,
}

/// A process of ours; killed when dropped.
#[derive(Debug)]
struct Running {
    child: Child,
    log: PathBuf,
}

impl Server {
    /// The server that the arguments name, or a new one with its data in `scratch`.
    pub async fn open(args: &Args, scratch: &Scratch) -> Result<Server, Failure> {
        match (&args.url, &args.token) {
            (Some(url), Some(token)) => Ok(Server { api: Api::new(url, token).await?, pid: args.pid, own: None }),
            _ => Ok(Server::start(scratch.path()).await?.0),
        }
    }

    /// Starts one with its data in `dir`, and says how many seconds it took until it was healthy.
    pub async fn start(dir: &Path) -> Result<(Server, f64), Failure> {
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
            .args(["--allow-network", "127.0.0.0/8", "--relax-contracts"])
            .stdin(Stdio::null())
            .stdout(output.try_clone().map_err(at_log)?)
            .stderr(output);
        let spawned = now_ns();
        let child = command.spawn().map_err(|reason| Failure::File { path: binary, reason })?;
        let pid = child.id();
        let mut running = Running { child, log };
        while !api.is_healthy().await {
            if let Some(status) = running.child.try_wait()? {
                return Err(running.failure(format!("ended at once ({status})")));
            }
            if seconds(spawned, now_ns()) > START_WITHIN {
                return Err(running.failure(format!("was not healthy after {START_WITHIN} s")));
            }
            sleep(Duration::from_millis(2)).await;
        }
        let took = seconds(spawned, now_ns());
        Ok((Server { api, pid: Some(pid), own: Some(running) }, took))
    }

    /// Whether it ends when we are done.
    pub fn is_own(&self) -> bool {
        self.own.is_some()
    }

    /// CPU time used so far, in microseconds, where the process is known.
    pub fn cpu_us(&self) -> Option<u64> {
        process::cpu_us(self.pid?)
    }

    /// Peak memory so far, in bytes, where the process is known.
    pub fn peak_memory(&self) -> Option<u64> {
        process::peak_memory(self.pid?)
    }

    /// Fails when a server of ours has ended: what is measured from then on means nothing.
    pub fn check(&mut self) -> Result<(), Failure> {
        let Some(running) = &mut self.own else { return Ok(()) };
        match running.child.try_wait()? {
            Some(status) => Err(running.failure(format!("ended while it was measured ({status})"))),
            None => Ok(()),
        }
    }

    /// Lets a server of ours finish, and says how many seconds it took.
    pub async fn stop(mut self) -> Result<f64, Failure> {
        let Some(mut running) = self.own.take() else { return Ok(0.0) };
        let asked = now_ns();
        process::terminate(running.child.id())?;
        loop {
            match running.child.try_wait()? {
                Some(status) if status.success() => return Ok(seconds(asked, now_ns())),
                Some(status) => return Err(running.failure(format!("did not end well ({status})"))),
                None if seconds(asked, now_ns()) > STOP_WITHIN => {
                    return Err(running.failure(format!("did not end within {STOP_WITHIN} s of SIGTERM")));
                }
                None => sleep(Duration::from_millis(5)).await,
            }
        }
    }
}

impl Running {
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
