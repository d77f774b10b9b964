//! What became of it all: counts, and what a person has to look at.

use crate::table::{Table, one_line};
use serde::{Deserialize, Serialize};

/// What became of one thing.
#[derive(Debug, PartialEq, Eq)]
pub enum Placed {
    /// In a dry run: it would be.
    Made,
    There,
    /// The target does not take it, for this reason.
    Refused(String),
}

#[derive(Clone, Copy, Debug, Default, Deserialize, Serialize)]
pub struct Tally {
    made: u64,
    there: u64,
    skipped: u64,
}

/// See the module.
#[derive(Debug, Default, Deserialize, Serialize)]
pub struct Report {
    pub event_types: Tally,
    pub applications: Tally,
    pub endpoints: Tally,
    pub warnings: Vec<String>,
}

impl Tally {
    pub fn count(&mut self, placed: &Placed) {
        match placed {
            Placed::Made => self.made += 1,
            Placed::There => self.there += 1,
            Placed::Refused(_) => self.skipped += 1,
        }
    }

    fn add(&mut self, other: Tally) {
        self.made += other.made;
        self.there += other.there;
        self.skipped += other.skipped;
    }

    fn all(self) -> u64 {
        self.made + self.there + self.skipped
    }
}

impl Report {
    /// What a part of the run has to say.
    pub fn add(&mut self, part: Report) {
        self.event_types.add(part.event_types);
        self.applications.add(part.applications);
        self.endpoints.add(part.endpoints);
        self.warnings.extend(part.warnings);
    }

    /// Whether nothing was done yet.
    pub fn is_empty(&self) -> bool {
        self.tallies().iter().all(|(_, tally)| tally.all() == 0)
    }

    pub fn skipped(&self) -> u64 {
        self.tallies().iter().map(|(_, tally)| tally.skipped).sum()
    }

    /// For the person at the terminal.
    pub fn text(&self, dry_run: bool) -> String {
        let mut table = Table::new(&["WHAT", if dry_run { "TO MAKE" } else { "MADE" }, "THERE ALREADY", "SKIPPED"]);
        for (what, tally) in self.tallies() {
            table.row([what, &tally.made.to_string(), &tally.there.to_string(), &tally.skipped.to_string()]);
        }
        let mut text = table.text();
        if !self.warnings.is_empty() {
            text.push_str("Warnings:\n");
        }
        for warning in &self.warnings {
            text.push_str(&format!("  {}\n", one_line(warning)));
        }
        text
    }

    fn tallies(&self) -> [(&'static str, Tally); 3] {
        [("event types", self.event_types), ("applications", self.applications), ("endpoints", self.endpoints)]
    }
}
