//! `--state FILE`: which applications are done, so that a run that goes on asks nothing about them again.
//!
//! A line of JSON each: first from where to where, then an application with what became of it, as soon as it is done.
//! No secrets.

use super::report::Report;
use serde::{Deserialize, Serialize};
use serde_json::json;
use std::collections::HashMap;
use std::fs::{File, OpenOptions};
use std::io::{self, ErrorKind, Write};
use std::path::{Path, PathBuf};
use thiserror::Error;
use url::Url;

/// Why the file is of no use.
#[derive(Debug, Error)]
pub enum StateError {
    #[error("can't keep the state in {}: {error}", .path.display())]
    File { path: PathBuf, error: io::Error },
    #[error("{} was not written by this command; give another file with --state", .0.display())]
    Strange(PathBuf),
    #[error(
        "{} is of an import from {from} into {to}; run that again, or give another file with --state",
        .path.display()
    )]
    Other { path: PathBuf, from: String, to: String },
}

/// The file, and what it held at the start.
#[derive(Debug)]
pub struct State {
    path: PathBuf,
    file: File,
    done: HashMap<String, Report>,
}

#[derive(Deserialize, PartialEq, Eq, Serialize)]
struct Heading {
    from: String,
    to: String,
}

#[derive(Deserialize)]
struct Done {
    application: String,
    report: Report,
}

impl State {
    /// Opens the file, or begins it.
    pub fn open(path: &Path, from: &Url, to: &Url) -> Result<State, StateError> {
        let failed = |error| StateError::File { path: path.to_owned(), error };
        let text = match std::fs::read_to_string(path) {
            Err(error) if error.kind() == ErrorKind::NotFound => String::new(),
            read => read.map_err(failed)?,
        };
        // Whoever was killed while writing left half a line.
        let whole = text.rfind('\n').map_or(0, |end| end + 1);
        let heading = Heading { from: from.to_string(), to: to.to_string() };
        let done = match text[..whole].split_once('\n') {
            Some((first, rest)) => done(path, &heading, first, rest)?,
            None if text.is_empty() => HashMap::new(),
            None => return Err(StateError::Strange(path.to_owned())),
        };
        let mut file = OpenOptions::new().create(true).append(true).open(path).map_err(failed)?;
        file.set_len(whole as u64).map_err(failed)?;
        if whole == 0 {
            writeln!(file, "{}", json!(heading)).map_err(failed)?;
        }
        Ok(State { path: path.to_owned(), file, done })
    }

    /// What became of this application in the run before, if it was done.
    pub fn take(&mut self, application: &str) -> Option<Report> {
        self.done.remove(application)
    }

    /// This application is done.
    pub fn note(&mut self, application: &str, report: &Report) -> Result<(), StateError> {
        let line = format!("{}\n", json!({ "application": application, "report": report }));
        let written = self.file.write_all(line.as_bytes());
        written.map_err(|error| StateError::File { path: self.path.clone(), error })
    }

    /// Everything is done. The next run looks at all of it again, so that it finds what is new.
    pub fn remove(self) -> Result<(), StateError> {
        std::fs::remove_file(&self.path).map_err(|error| StateError::File { path: self.path, error })
    }
}

/// The applications in the file, if it is one of this import.
fn done(path: &Path, heading: &Heading, first: &str, rest: &str) -> Result<HashMap<String, Report>, StateError> {
    let strange = |_| StateError::Strange(path.to_owned());
    let found: Heading = serde_json::from_str(first).map_err(strange)?;
    if found != *heading {
        return Err(StateError::Other { path: path.to_owned(), from: found.from, to: found.to });
    }
    let read = |line| serde_json::from_str(line).map(|done: Done| (done.application, done.report)).map_err(strange);
    rest.lines().map(read).collect()
}
