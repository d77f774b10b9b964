//! `postrider serve`: production.

use super::fail;
use crate::cli::ServeArgs;
use crate::config::Config;
use crate::keys::{KeyError, secret_key};
use crate::{Server, logs};
use postrider_clock::Clock;
use std::error::Error;
use std::process::ExitCode;
use tokio::signal::unix::{SignalKind, signal};

/// Runs until SIGTERM or SIGINT, then drains.
pub fn run(args: ServeArgs) -> ExitCode {
    logs::start("info");
    // Connections are file descriptors; the usual soft limit of 1024 is soon reached.
    let _ = rlimit::increase_nofile_limit(1 << 20);
    let runtime = match tokio::runtime::Runtime::new() {
        Ok(runtime) => runtime,
        Err(error) => return fail(error),
    };
    match runtime.block_on(serve(args)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => fail(error),
    }
}

async fn serve(args: ServeArgs) -> Result<(), Box<dyn Error>> {
    let config = Config::load(args)?;
    let variable = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
    let from_env = variable("POSTRIDER_SECRET_KEY");
    if config.database.is_some() && from_env.is_none() {
        return Err(KeyError::NoSecretKey.into());
    }
    let secret_key = secret_key(from_env.as_deref(), &config.data)?;
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let server = Server::start(config, secret_key, variable("POSTRIDER_API_KEY"), Clock::system()).await?;
    if let Some(made) = &server.first_key {
        println!("First API key (shown once, keep it): {}", made.key.reveal());
    }
    tracing::info!(address = %server.address, "listening");
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
    tracing::info!("draining: finishing what is under way");
    server.drain().await;
    Ok(())
}
