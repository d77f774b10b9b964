//! `postrider import svix`: event types, applications and endpoints, from a Svix server or another Postrider.
//!
//! What is there already is found by its uid, in the target itself. So a run that was interrupted goes on when the
//! same command runs again, and nothing is made twice.

mod records;
mod report;
mod source;
mod state;
mod target;

use super::{fail, say};
use clap::builder::NonEmptyStringValueParser;
use clap::{Args, Subcommand};
use indicatif::{ProgressBar, ProgressStyle};
use records::{Headers, Record};
use report::{Placed, Report};
use source::{Source, SourceError};
use state::{State, StateError};
use std::collections::BTreeSet;
use std::path::PathBuf;
use std::process::ExitCode;
use target::{Target, TargetError};
use thiserror::Error;
use url::Url;

/// How many there are is known once the source has listed them all.
const LISTING: &str = "{prefix:12} {human_pos} found{msg}";
const MOVING: &str = "{prefix:12} {bar:24} {human_pos} of {human_len}, {eta} left{msg}";

/// Take over what another server has.
#[derive(Debug, Args)]
pub struct ImportArgs {
    #[command(subcommand)]
    origin: Origin,
}

#[derive(Debug, Subcommand)]
enum Origin {
    /// Event types, applications and endpoints of a Svix server, or of another Postrider
    Svix(SvixArgs),
}

/// Take over event types, applications and endpoints of a Svix server, or of another Postrider.
#[derive(Debug, Args)]
#[command(after_help = "\
Endpoints keep their uids, secrets and headers, and get the contract svix (from a Postrider, the one
they have), so that their receivers go on verifying. What has no uid gets its id at the source as uid.

The source is only read. Run it as often as you like: what is not here yet is made, event types and
applications are updated, endpoints that are here stay as they are. A run that was interrupted goes
on when the same command runs again.

Examples:
  postrider import svix --from https://api.eu.svix.com --token TOKEN --dry-run
  postrider import svix --from https://api.eu.svix.com --token TOKEN --url https://webhooks.example.com")]
struct SvixArgs {
    /// Where the source is
    #[arg(long, value_name = "URL")]
    from: Url,
    /// A token (of Svix) or API key (of Postrider) that may read everything there, secrets too
    #[arg(
        long,
        env = "SVIX_AUTH_TOKEN",
        hide_env_values = true,
        value_name = "TOKEN",
        value_parser = NonEmptyStringValueParser::new()
    )]
    token: String,
    /// Only read, and say what would be made
    #[arg(long)]
    dry_run: bool,
    /// Note in this file which applications are done, so that after an interruption nothing is
    /// asked about them again; removed at the end
    #[arg(long, value_name = "FILE", conflicts_with = "dry_run")]
    state: Option<PathBuf>,
    /// Where Postrider is
    #[arg(
        long,
        env = "POSTRIDER_URL",
        value_name = "URL",
        default_value = "http://127.0.0.1:8071",
        help_heading = "Server"
    )]
    url: Url,
    /// API key of Postrider; without it the one in POSTRIDER_API_KEY
    #[arg(long, env = "POSTRIDER_TOKEN", hide_env_values = true, value_name = "KEY", help_heading = "Server")]
    api_key: Option<String>,
}

/// Why it came to an end, in words for the person at the terminal.
#[derive(Debug, Error)]
enum ImportError {
    #[error("{0} is both where to read (--from) and where to write (--url or POSTRIDER_URL); give two servers")]
    Same(Url),
    #[error(transparent)]
    Source(#[from] SourceError),
    #[error(transparent)]
    Target(#[from] TargetError),
    #[error(transparent)]
    State(#[from] StateError),
}

/// Takes everything over, and says what became of it. Fails if something had to be left out.
pub fn run(args: &ImportArgs) -> ExitCode {
    let Origin::Svix(args) = &args.origin;
    let mut report = Report::default();
    match carry(args, &mut report) {
        Ok(()) => conclude(args, &report),
        Err(error) if args.dry_run || report.is_empty() => fail(error),
        Err(error) => fail(format!("{error}\nWhat was made stays. Run the same command again: it goes on from there")),
    }
}

fn conclude(args: &SvixArgs, report: &Report) -> ExitCode {
    let skipped = report.skipped();
    let last = match (args.dry_run, skipped) {
        (true, _) => "This was a dry run: nothing was made.\n".to_owned(),
        (false, 0) => format!("All is there. Point your code to {}, with an API key of that server.\n", args.url),
        (false, _) => String::new(),
    };
    let said = say(Ok(report.text(args.dry_run) + &last));
    if skipped == 0 {
        return said;
    }
    fail(format!("{skipped} were left out; the warnings say why. Put it right, and run the same command again"))
}

fn carry(args: &SvixArgs, report: &mut Report) -> Result<(), ImportError> {
    if args.from == args.url {
        return Err(ImportError::Same(args.url.clone()));
    }
    // Without a terminal it stays hidden.
    let bar = ProgressBar::new(0);
    let carried = Import::new(args, &bar).and_then(|mut import| import.all(report));
    bar.finish_and_clear();
    carried
}

/// One run of the command.
struct Import {
    source: Source,
    target: Target,
    state: Option<State>,
    bar: ProgressBar,
}

impl Import {
    fn new(args: &SvixArgs, bar: &ProgressBar) -> Result<Import, ImportError> {
        let source = Source::new(&args.from, &args.token, bar.clone())?;
        let target = Target::new(&args.url, args.api_key.clone(), args.dry_run)?;
        let state = args.state.as_ref().map(|path| State::open(path, &args.from, &args.url)).transpose()?;
        Ok(Import { source, target, state, bar: bar.clone() })
    }

    /// Event types first: an endpoint's filters are taken only for types that are registered.
    fn all(&mut self, report: &mut Report) -> Result<(), ImportError> {
        self.event_types(report)?;
        self.applications(report)?;
        match self.state.take() {
            Some(state) => Ok(state.remove()?),
            None => Ok(()),
        }
    }

    fn event_types(&self, report: &mut Report) -> Result<(), ImportError> {
        self.show("event types", LISTING);
        for event_type in &self.source.event_types()? {
            let placed = self.target.event_type(event_type)?;
            report.event_types.count(&placed);
            if let Placed::Refused(reason) = placed {
                report.warnings.push(format!("event type {} was left out: {reason}", event_type.name));
            }
        }
        Ok(())
    }

    fn applications(&mut self, report: &mut Report) -> Result<(), ImportError> {
        self.show("applications", LISTING);
        let applications = self.source.applications()?;
        self.show("applications", MOVING);
        self.bar.set_length(applications.len() as u64);
        for app in &applications {
            match self.state.as_mut().and_then(|state| state.take(&app.id)) {
                Some(before) => report.add(before),
                None => self.application_and_note(app, report)?,
            }
            self.bar.inc(1);
        }
        Ok(())
    }

    /// One that had to leave something out is not noted, so that the next run tries it again.
    fn application_and_note(&mut self, app: &Record, report: &mut Report) -> Result<(), ImportError> {
        let mut moved = Report::default();
        let ended = self.application(app, &mut moved);
        if let Some(state) = &mut self.state
            && ended.is_ok()
            && moved.skipped() == 0
        {
            state.note(&app.id, &moved)?;
        }
        report.add(moved);
        ended
    }

    fn application(&self, app: &Record, report: &mut Report) -> Result<(), ImportError> {
        let placed = self.target.application(app)?;
        report.applications.count(&placed);
        if let Placed::Refused(reason) = placed {
            let name = &app.key;
            report.warnings.push(format!("application {name} was left out, with its endpoints: {reason}"));
            return Ok(());
        }
        for endpoint in &self.source.endpoints(&app.id)? {
            self.endpoint(app, endpoint, report)?;
        }
        Ok(())
    }

    fn endpoint(&self, app: &Record, endpoint: &Record, report: &mut Report) -> Result<(), ImportError> {
        let headers = self.source.headers(&app.id, &endpoint.id)?;
        let placed = match self.target.has_endpoint(&app.key, &endpoint.key)? {
            true => Placed::There,
            false => {
                let secret = self.source.secret(&app.id, &endpoint.id)?;
                self.target.make_endpoint(&app.key, endpoint, secret.as_ref(), &headers.headers)?
            }
        };
        report.endpoints.count(&placed);
        let (name, of) = (&endpoint.key, &app.key);
        if let Placed::Refused(reason) = placed {
            report.warnings.push(format!("endpoint {name} of {of} was left out: {reason}"));
            return Ok(());
        }
        let missing = self.missing(app, endpoint, headers, &placed)?;
        if !missing.is_empty() {
            let missing = missing.into_iter().collect::<Vec<_>>().join(", ");
            report.warnings.push(format!(
                "endpoint {name} of {of} lacks {missing}: the source hides what it holds. \
                 Set it with PATCH /api/v1/app/{of}/endpoint/{name}/headers"
            ));
        }
        Ok(())
    }

    /// The headers whose values the source hides, but those that somebody has set here meanwhile: run again, the
    /// command tells what is still to be done.
    fn missing(
        &self,
        app: &Record,
        endpoint: &Record,
        headers: Headers,
        placed: &Placed,
    ) -> Result<BTreeSet<String>, ImportError> {
        let mut missing = headers.sensitive;
        if *placed == Placed::There && !missing.is_empty() {
            let here = self.target.headers(&app.key, &endpoint.key)?;
            missing.retain(|name| !here.has(name));
        }
        Ok(missing)
    }

    /// A bar for what begins now.
    fn show(&self, prefix: &'static str, template: &str) {
        if let Ok(style) = ProgressStyle::with_template(template) {
            self.bar.set_style(style);
        }
        self.bar.set_prefix(prefix);
        self.bar.reset();
    }
}
