//! What an attacker computes would use another machine's processor, so here it gets only the time that nobody else
//! needs.

use crate::failure::Failure;
use tokio::runtime::{Builder, Handle, Runtime};

/// The lowest priority, as `nice` counts it.
#[cfg(target_os = "linux")]
const NICE: i32 = 19;

/// A thread of low priority for tasks.
#[derive(Debug)]
pub struct Elsewhere(Option<Runtime>, Handle);

impl Elsewhere {
    pub fn start() -> Result<Elsewhere, Failure> {
        let runtime = Builder::new_multi_thread().worker_threads(1).enable_all().on_thread_start(give_way).build()?;
        let handle = runtime.handle().clone();
        Ok(Elsewhere(Some(runtime), handle))
    }

    pub fn handle(&self) -> &Handle {
        &self.1
    }
}

fn give_way() {
    #[cfg(target_os = "linux")]
    if let Err(error) = rustix::process::setpriority_process(Some(rustix::thread::gettid()), NICE) {
        eprintln!("postrider-bench: the attacker competes with the server for the processor: {error}");
    }
}

impl Drop for Elsewhere {
    fn drop(&mut self) {
        // Its tasks need not end, and a runtime can't wait for its threads inside another.
        if let Some(runtime) = self.0.take() {
            runtime.shutdown_background();
        }
    }
}
