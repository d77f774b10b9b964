//! `postrider dev`: the whole of it in seconds, with something to look at.

use super::fail;
use crate::config::{self, Config};
use crate::demo::APP;
use crate::demo::examples::{Example, OPEN, SYSTEMS};
use crate::demo::inbox::{Arrival, Inbox};
use crate::demo::verify::Verdict;
use crate::keys::secret_key;
use crate::{Server, StartError, logs};
use bytes::Bytes;
use clap::Args;
use postrider_accept::{Accept, Accepted, ApplicationDraft, Caller, EndpointDraft, FIRST_ENV, MessageDraft, Refusal};
use postrider_clock::Clock;
use postrider_egress::ProxySettings;
use postrider_store::access::Scope;
use postrider_store::config::{ApplicationSettings, Endpoint, EndpointSettings};
use postrider_store::id::MessageId;
use postrider_store::query::{AttemptFilter, AttemptsOf, Page};
use std::collections::BTreeMap;
use std::error::Error;
use std::fmt::Display;
use std::io::{ErrorKind, Write};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::time::{Instant, timeout};

const ADDRESS: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 8071);
/// How long a delivery may take before it counts as failed here.
const PATIENCE: Duration = Duration::from_secs(15);

/// Run with a demo application: an endpoint for each contract, an inbox, and a key.
#[derive(Debug, Args)]
#[command(after_help = "\
For trying things out on this machine: it listens on 127.0.0.1 alone, lets endpoints be there too,
and lifts the contracts' rules on https and ports. Use `postrider serve` for anything else.

Examples:
  postrider dev
  postrider dev --once")]
pub struct DevArgs {
    /// Where the data lies [default: a temporary directory, removed at the end]
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
    /// End after the first deliveries; fails unless all of them were verified
    #[arg(long)]
    once: bool,
}

/// Runs until SIGTERM or SIGINT, or with --once until the deliveries are made.
pub fn run(args: DevArgs) -> ExitCode {
    logs::start("warn");
    let _ = rlimit::increase_nofile_limit(1 << 20);
    let runtime = match tokio::runtime::Runtime::new() {
        Ok(runtime) => runtime,
        Err(error) => return fail(error),
    };
    match runtime.block_on(dev(args)) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => fail(error),
    }
}

/// The signals that end it.
struct Stop {
    terminate: Signal,
    interrupt: Signal,
}

impl Stop {
    fn new() -> std::io::Result<Stop> {
        Ok(Stop { terminate: signal(SignalKind::terminate())?, interrupt: signal(SignalKind::interrupt())? })
    }

    async fn asked(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }
}

/// Whether all went well.
async fn dev(args: DevArgs) -> Result<bool, Box<dyn Error>> {
    let mut stop = Stop::new()?;
    let temporary = match &args.data {
        Some(_) => None,
        None => Some(tempfile::Builder::new().prefix("postrider-dev-").tempdir()?),
    };
    let (data, kept) = match (&args.data, &temporary) {
        (_, Some(dir)) => (dir.path().to_owned(), "removed at the end"),
        (dir, None) => (dir.clone().unwrap_or_default(), "kept"),
    };
    let clock = Clock::system();
    let inbox = Inbox::start(clock.clone()).await?;
    let server = start(ADDRESS, &data, &clock).await?;
    let demo = Demo::new(&server, &inbox).await?;
    let place = format!("{} ({kept})", data.display());
    let ended = tokio::select! {
        shown = demo.show(args.once, &place) => shown.map(Some),
        () = stop.asked() => Ok(None),
    };
    if !args.once && matches!(ended, Ok(Some(_))) {
        stop.asked().await;
    }
    drop(demo);
    // The server is done when nobody holds it any more.
    inbox.keyring().close(clock.wall_ms());
    server.drain().await;
    inbox.stop();
    drop(temporary);
    match ended? {
        Some(verified) => Ok(verified || !args.once),
        // Stopped before all was shown: fine, unless that was the point.
        None => Ok(!args.once),
    }
}

/// On this address, or on a free port of it when another has it.
async fn start(address: SocketAddr, data: &Path, clock: &Clock) -> Result<Server, Box<dyn Error>> {
    let key = secret_key(None, data)?;
    let config = |listen| Config {
        listen,
        data: data.to_owned(),
        database: None,
        allow_networks: vec![ipnet::Ipv4Net::new_assert(Ipv4Addr::new(127, 0, 0, 0), 8).into()],
        relax_contracts: true,
        max_connections: config::MAX_CONNECTIONS,
        drain_seconds: config::DRAIN_SECONDS,
        connection_seconds: config::CONNECTION_SECONDS,
        proxy: ProxySettings::default(),
        public_url: None,
        default_contract: "standard".to_owned(),
        contracts: None,
        dns: None,
        ca_file: None,
        retention: postrider_store::Retention::default(),
        graphql: None,
        mail: None,
        contract_settings: BTreeMap::new(),
    };
    match Server::start(config(address), key, None, clock.clone()).await {
        Err(StartError::Listen { error, .. }) if error.kind() == ErrorKind::AddrInUse => {
            let free = SocketAddr::new(address.ip(), 0);
            let server = Server::start(config(free), key, None, clock.clone()).await?;
            say(format_args!("Port {} is busy, so this is on {}.\n", address.port(), server.address.port()));
            Ok(server)
        }
        // In its own words: --listen, which those of `serve` tell to use, is not for this command.
        Err(StartError::Listen { address, error }) => Err(format!("can't listen on {address}: {error}").into()),
        result => Ok(result?),
    }
}

/// The demo application on a server.
struct Demo<'a> {
    accept: Accept,
    caller: Caller,
    key: String,
    address: SocketAddr,
    inbox: &'a Inbox,
}

impl<'a> Demo<'a> {
    async fn new(server: &Server, inbox: &'a Inbox) -> Result<Demo<'a>, Refusal> {
        let accept = server.accept.clone();
        let made = match &server.first_key {
            Some(made) => made.clone(),
            None => accept.create_key(FIRST_ENV, "dev", Scope::All).await?,
        };
        let key = made.key.reveal().to_owned();
        let caller = accept.authenticate(&key).ok_or_else(|| Refusal::none("key", ""))?;
        inbox.keyring().open(accept.clone(), caller);
        Ok(Demo { accept, caller, key, address: server.address, inbox })
    }

    /// Delivers the examples and says what to try next; whether all of them were verified.
    async fn show(&self, once: bool, data: &str) -> Result<bool, Refusal> {
        self.application().await?;
        say("Postrider with a demo application and an endpoint for each contract. One delivery to each,");
        say("timed from the call to its arrival, with the commit in between:\n");
        let mut failed = 0;
        for example in SYSTEMS {
            self.endpoint(example).await?;
            failed += self.deliver(&[*example]).await?;
        }
        // These take every event, so they come after the others have had theirs.
        for example in OPEN {
            self.endpoint(example).await?;
        }
        failed += self.deliver(OPEN).await?;
        let all = SYSTEMS.len() + OPEN.len();
        say(format_args!("\n{} of {all} verified.", all - failed));
        if !once {
            self.guide(data);
        }
        Ok(failed == 0)
    }

    fn guide(&self, data: &str) {
        let (url, key, inbox) = (format!("http://{}", self.address), &self.key, self.inbox.url());
        say(format_args!(
            r#"
  API      {url}
  API key  {key}
  Inbox    {inbox}
  Data     {data}

Try next:

1. Send a message:

curl {url}/api/v1/app/{APP}/msg -H 'Authorization: Bearer {key}' -H 'Content-Type: application/json' -d '{{"eventType": "invoice.paid", "payload": {{"invoice": "in_2", "amount": 1250}}}}'

2. Send one from Python, with the package that Svix publishes (pip install svix):

python3 -c 'from svix.api import Svix, SvixOptions, MessageIn; Svix("{key}", SvixOptions(server_url="{url}")).message.create("{APP}", MessageIn(event_type="transcript.updated", payload={{"id": "WAz8eIbvDR60rouK"}}))'

3. See what arrived, with headers and signatures: {inbox}

Ctrl-C ends it."#
        ));
    }

    async fn application(&self) -> Result<(), Refusal> {
        if self.accept.application(self.caller, APP).is_ok() {
            return Ok(());
        }
        let settings = ApplicationSettings { name: "Demo".to_owned(), ..ApplicationSettings::default() };
        let draft = ApplicationDraft { uid: Some(APP.to_owned()), settings };
        self.accept.create_application(self.caller, draft, None, &|_| (201, Bytes::new())).await?;
        Ok(())
    }

    /// Makes the example's endpoint, or points the one of an earlier run at this inbox.
    async fn endpoint(&self, example: &Example) -> Result<(), Refusal> {
        let url = self.inbox.endpoint_url(example.contract);
        if self.accept.endpoint(self.caller, APP, example.contract).is_ok() {
            let moved = |endpoint: &Endpoint| {
                let settings = EndpointSettings { url: url.clone(), ..endpoint.settings.clone() };
                let (uid, headers) = (endpoint.uid.clone(), endpoint.headers.clone());
                Ok(EndpointDraft { uid, settings, headers, secret: None })
            };
            self.accept.update_endpoint(self.caller, APP, example.contract, moved).await?;
            return Ok(());
        }
        let settings = EndpointSettings {
            url,
            description: "The demo's inbox".to_owned(),
            contract: example.contract.to_owned(),
            event_types: example.subscribed.iter().map(|name| (*name).to_owned()).collect(),
            ..EndpointSettings::default()
        };
        let draft = EndpointDraft {
            uid: Some(example.contract.to_owned()),
            settings,
            secret: example.secret.map(str::to_owned),
            ..EndpointDraft::default()
        };
        self.accept.create_endpoint(self.caller, APP, draft, None, &|_| (201, Bytes::new())).await?;
        Ok(())
    }

    /// Sends the first example's message and waits for it at the endpoints of all; how many failed.
    async fn deliver(&self, examples: &[Example]) -> Result<usize, Refusal> {
        let Some(example) = examples.first() else { return Ok(0) };
        let draft = MessageDraft {
            event_type: example.event_type.to_owned(),
            payload: Bytes::from_static(example.payload.as_bytes()),
            ..MessageDraft::default()
        };
        let (before, started) = (self.inbox.newest(), Instant::now());
        let id = match self.accept.accept(self.caller, APP, &draft, None).await? {
            Accepted::New { id, .. } => id,
            Accepted::Repeat { message, .. } => message.id,
        };
        let mut failed = 0;
        for example in examples {
            let (contract, event_type) = (example.contract, example.event_type);
            let sentence = match self.arrived(example, id, before).await {
                Ok((arrival, means)) => {
                    let took = arrival.at.saturating_duration_since(started).as_secs_f64() * 1_000.0;
                    format!("verified in {took:5.1} ms   {means}")
                }
                Err(reason) => {
                    failed += 1;
                    format!("FAILED: {reason}")
                }
            };
            say(format_args!("  {contract:<11}{event_type:<26}{sentence}"));
        }
        Ok(failed)
    }

    /// The example's message at its endpoint, and how it was verified; or why not.
    async fn arrived(
        &self,
        example: &Example,
        id: MessageId,
        after: u64,
    ) -> Result<(Arc<Arrival>, &'static str), String> {
        let text = self.accept.store().ids().text(id);
        let fits = |arrival: &Arrival| {
            // Where the contract sends the message's id; others get nothing else meanwhile.
            let sent = arrival.header("webhook-id").or(arrival.header("svix-id"));
            arrival.contract == example.contract && sent.is_none_or(|sent| sent == text)
        };
        let Ok(arrival) = timeout(PATIENCE, self.inbox.arrival(after, fits)).await else {
            return Err(self.why_not(example, id).await);
        };
        match &arrival.verdict {
            Verdict::Verified(means) => Ok((arrival.clone(), means)),
            Verdict::Failed(reason) => Err(format!("it arrived, but its signature does not verify: {reason}")),
            Verdict::Unchecked(reason) => Err(format!("it arrived, but was not checked: {reason}")),
        }
    }

    /// What the attempts say about a message that did not arrive.
    async fn why_not(&self, example: &Example, id: MessageId) -> String {
        let waited = PATIENCE.as_secs();
        let Ok((_, endpoint)) = self.accept.endpoint(self.caller, APP, example.contract) else {
            return "its endpoint is gone".to_owned();
        };
        let filter = AttemptFilter { endpoint: Some(endpoint.id), ..AttemptFilter::default() };
        let page = Page { limit: 1, after: None, ascending: false, content: false };
        let attempts = self.accept.store().attempts(AttemptsOf::Message(id), filter, page).await;
        match attempts.ok().and_then(|mut found| found.rows.pop()?.outcome.error) {
            Some((code, reason)) => format!("it did not arrive in {waited} s: {reason} ({code})"),
            None => format!("it did not arrive in {waited} s, and no attempt says why"),
        }
    }
}

/// Says it at once. A reader that has gone is no reason to stop.
fn say(text: impl Display) {
    let mut out = std::io::stdout().lock();
    let _ = writeln!(out, "{text}").and_then(|()| out.flush());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn only_a_busy_port_leads_to_another() {
        let data = tempfile::tempdir().unwrap();
        // An address for documents, which no machine has.
        let nowhere = SocketAddr::from(([192, 0, 2, 1], 8071));
        let error = start(nowhere, data.path(), &Clock::system()).await.unwrap_err().to_string();
        assert!(error.starts_with("can't listen on 192.0.2.1:8071: Cannot assign"), "{error}");
    }
}
