//! The result, for people and for machines.

use crate::args::Args;
use crate::stats::{Spread, rounded};
use serde::Serialize;
use std::fmt::{Display, Formatter, Result};

/// Titles of the phases.
pub const DIRECT: &str = "direct";
pub const SINGLE: &str = "single";
pub const BATCH: &str = "batch";
pub const FANOUT: &str = "fan-out";
pub const LATENCY: &str = "latency";
pub const PENDING: &str = "pending";
pub const LISTS: &str = "lists";

/// Everything that was measured in one run.
#[derive(Debug, Serialize)]
pub struct Report {
    pub machine: String,
    pub settings: Settings,
    pub direct: Option<Direct>,
    pub single: Option<Through>,
    pub batch: Option<Through>,
    pub fanout: Option<Through>,
    pub latency: Option<Latency>,
    pub pending: Option<Pending>,
    pub lists: Option<Lists>,
    pub neighbours: Option<Neighbours>,
}

/// What it was measured with.
#[derive(Debug, Serialize)]
pub struct Settings {
    pub seconds: u64,
    pub connections: u32,
    pub body_bytes: u32,
    /// A debug build says nothing about speed.
    pub release: bool,
    /// Another server than the one we start.
    pub url: Option<String>,
}

/// Posts a second straight to the receiver, in the order measured.
#[derive(Debug, Serialize)]
pub struct Direct {
    pub per_second: Vec<f64>,
    pub mean_per_second: f64,
}

/// What went through a server.
#[derive(Debug, Serialize)]
pub struct Through {
    pub endpoints: usize,
    /// Messages in each request.
    pub batch: usize,
    /// Messages.
    pub accepted: u64,
    /// Deliveries, each counted once.
    pub delivered: u64,
    /// From the first post to the last acceptance.
    pub accepted_per_second: f64,
    /// From the first post to the last arrival.
    pub delivered_per_second: f64,
    pub ratio_to_direct: Option<f64>,
    pub cpu_us_per_message: Option<f64>,
    pub cpu_us_per_delivery: Option<f64>,
    pub peak_memory_bytes: Option<u64>,
    /// Deliveries of accepted messages that did not arrive.
    pub lost: u64,
    /// Deliveries that arrived again.
    pub duplicated: u64,
    /// Requests that belong to no message of the phase.
    pub strays: u64,
    /// Answers 429 and 503; the messages were posted again.
    pub refused: u64,
    /// Posts that broke off or got another 5xx; the messages were posted again.
    pub broken: u64,
    /// Messages that were never accepted.
    pub given_up: u64,
}

/// How long messages took at a fixed rate.
#[derive(Debug, Serialize)]
pub struct Latency {
    pub rate: u64,
    /// From the post to the 202.
    pub answer: Option<Spread>,
    /// From the 202 to the arrival.
    pub accepted_to_arrived: Option<Spread>,
    /// From the post to the arrival.
    pub posted_to_arrived: Option<Spread>,
    #[serde(flatten)]
    pub through: Through,
}

/// How a server started that had retries pending.
#[derive(Debug, Serialize)]
pub struct Pending {
    pub accepted: u64,
    pub accepted_per_second: f64,
    /// Deliveries that had failed once when the server was stopped, by its own count.
    pub attempted: Option<u64>,
    /// Deliveries that were not final, by its own count, before and after the restart.
    pub pending_before: Option<u64>,
    pub pending_after: Option<u64>,
    /// While they were posted.
    pub filled_peak_memory_bytes: Option<u64>,
    pub stop_seconds: f64,
    /// From the start of the process to its first answer.
    pub start_seconds: f64,
    /// Ten seconds after the restart.
    pub peak_memory_bytes: Option<u64>,
}

/// How long listings took of an application with so many messages, each delivered at once.
#[derive(Debug, Serialize)]
pub struct Lists {
    pub messages: u64,
    pub listed: Vec<Listed>,
}

/// One listing, asked for again and again.
#[derive(Debug, Serialize)]
pub struct Listed {
    pub what: &'static str,
    pub took: Option<Spread>,
}

/// How long one tenant's sends took before another one attacked the server, and during it.
#[derive(Debug, Serialize)]
pub struct Neighbours {
    /// Before each attack and during it.
    pub sends: usize,
    pub attacks: Vec<Attacked>,
}

/// One attack.
#[derive(Debug, Serialize)]
pub struct Attacked {
    pub attack: &'static str,
    pub before: Option<Spread>,
    pub during: Option<Spread>,
    /// Sends during the attack that were refused or took too long.
    pub failed: u64,
    pub peak_memory_bytes: Option<u64>,
}

impl From<&Args> for Settings {
    fn from(args: &Args) -> Settings {
        Settings {
            seconds: args.seconds,
            connections: args.connections,
            body_bytes: args.body_bytes,
            release: !cfg!(debug_assertions),
            url: args.url.clone(),
        }
    }
}

impl Direct {
    /// `None` when it was not measured.
    pub fn of(per_second: Vec<f64>) -> Option<Direct> {
        if per_second.is_empty() {
            return None;
        }
        let mean = per_second.iter().sum::<f64>() / per_second.len() as f64;
        Some(Direct { mean_per_second: rounded(mean, 1), per_second })
    }
}

impl Report {
    /// With nothing measured yet.
    pub fn new(machine: String, settings: Settings) -> Report {
        Report {
            machine,
            settings,
            direct: None,
            single: None,
            batch: None,
            fanout: None,
            latency: None,
            pending: None,
            lists: None,
            neighbours: None,
        }
    }

    /// Puts the rates in proportion to the direct limit.
    pub fn compare(&mut self, direct: Option<Direct>) {
        self.direct = direct;
        let mean = self.direct.as_ref().map(|direct| direct.mean_per_second).filter(|mean| *mean > 0.0);
        for through in [&mut self.single, &mut self.batch, &mut self.fanout].into_iter().flatten() {
            through.ratio_to_direct = mean.map(|mean| rounded(through.delivered_per_second / mean, 3));
        }
    }
}

impl Display for Report {
    fn fmt(&self, out: &mut Formatter<'_>) -> Result {
        let Settings { seconds, connections, body_bytes, release, url } = &self.settings;
        writeln!(out, "{}", self.machine)?;
        writeln!(out, "{connections} connections, payloads of {body_bytes} bytes, {seconds} s a phase")?;
        if let Some(url) = url {
            writeln!(out, "server: {url}")?;
        }
        if !release {
            writeln!(out, "DEBUG BUILD: these numbers say nothing; use cargo run --release")?;
        }
        if let Some(direct) = &self.direct {
            direct.fmt(out)?;
        }
        let rows: Vec<&Through> = [&self.single, &self.batch, &self.fanout].into_iter().flatten().collect();
        if !rows.is_empty() {
            throughput(&rows, out)?;
        }
        if let Some(latency) = &self.latency {
            latency.fmt(out)?;
        }
        if let Some(pending) = &self.pending {
            pending.fmt(out)?;
        }
        if let Some(lists) = &self.lists {
            lists.fmt(out)?;
        }
        if let Some(neighbours) = &self.neighbours {
            neighbours.fmt(out)?;
        }
        Ok(())
    }
}

impl Display for Direct {
    fn fmt(&self, out: &mut Formatter<'_>) -> Result {
        writeln!(out, "\nDirect limit (generator straight to receiver)")?;
        let names: &[&str] = match self.per_second.len() {
            1 => &["once"],
            2 => &["before", "after"],
            _ => &["before", "between", "after"],
        };
        for (name, rate) in names.iter().zip(&self.per_second) {
            line(out, name, format!("{} posts/s", whole(*rate)))?;
        }
        if self.per_second.len() > 1 {
            line(out, "mean", format!("{} posts/s", whole(self.mean_per_second)))?;
        }
        Ok(())
    }
}

fn throughput(rows: &[&Through], out: &mut Formatter<'_>) -> Result {
    writeln!(out)?;
    let column = |row: &dyn Fn(&Through) -> String| {
        rows.iter().map(|through| format!("{:>18}", row(through))).collect::<String>()
    };
    let mut table = |name: &str, row: &dyn Fn(&Through) -> String| writeln!(out, "  {name:<22}{}", column(row));
    table("Through the server", &|row| match (row.endpoints, row.batch) {
        (1, 1) => "1 endpoint".into(),
        (1, batch) => format!("batches of {batch}"),
        (endpoints, _) => format!("{endpoints} endpoints"),
    })?;
    table("deliveries/s", &|row| whole(row.delivered_per_second))?;
    table("messages accepted/s", &|row| whole(row.accepted_per_second))?;
    table("ratio to direct limit", &|row| row.ratio_to_direct.map_or_else(unknown, |ratio| format!("{ratio:.3}")))?;
    table("CPU per message", &|row| row.cpu_us_per_message.map_or_else(unknown, |us| format!("{us:.0} µs")))?;
    table("CPU per delivery", &|row| row.cpu_us_per_delivery.map_or_else(unknown, |us| format!("{us:.0} µs")))?;
    table("peak memory", &|row| memory(row.peak_memory_bytes))?;
    table("accepted", &|row| grouped(row.accepted))?;
    table("delivered", &|row| grouped(row.delivered))?;
    table("lost", &|row| grouped(row.lost))?;
    table("duplicated", &|row| grouped(row.duplicated))?;
    table("429/503, posted again", &|row| grouped(row.refused))?;
    table("broken, posted again", &|row| grouped(row.broken))?;
    if rows.iter().any(|row| row.given_up > 0) {
        table("never accepted", &|row| grouped(row.given_up))?;
    }
    if rows.iter().any(|row| row.strays > 0) {
        table("strays", &|row| grouped(row.strays))?;
    }
    Ok(())
}

impl Display for Latency {
    fn fmt(&self, out: &mut Formatter<'_>) -> Result {
        let title = format!("Latency at {}/s", self.rate);
        writeln!(out, "\n  {title:<22}{:>12}{:>12}{:>12}", "p50", "p99", "max")?;
        for (name, spread) in [
            ("post to 202", self.answer),
            ("202 to arrival", self.accepted_to_arrived),
            ("post to arrival", self.posted_to_arrived),
        ] {
            let ms =
                |value: fn(Spread) -> f64| spread.map_or_else(unknown, |spread| format!("{:.2} ms", value(spread)));
            writeln!(out, "  {name:<22}{:>12}{:>12}{:>12}", ms(|s| s.p50_ms), ms(|s| s.p99_ms), ms(|s| s.max_ms))?;
        }
        let through = &self.through;
        line(out, "accepted", grouped(through.accepted))?;
        line(out, "lost", grouped(through.lost))?;
        line(out, "duplicated", grouped(through.duplicated))?;
        line(out, "CPU per message", through.cpu_us_per_message.map_or_else(unknown, |us| format!("{us:.0} µs")))?;
        line(out, "peak memory", memory(through.peak_memory_bytes))
    }
}

impl Display for Pending {
    fn fmt(&self, out: &mut Formatter<'_>) -> Result {
        let count = |count: Option<u64>| count.map_or_else(unknown, grouped);
        writeln!(out, "\nRestart with {} deliveries pending", count(self.pending_before))?;
        line(out, "accepted", grouped(self.accepted))?;
        line(out, "accepted/s", whole(self.accepted_per_second))?;
        line(out, "failed once", count(self.attempted))?;
        line(out, "peak while filling", memory(self.filled_peak_memory_bytes))?;
        line(out, "stopped in", format!("{:.2} s", self.stop_seconds))?;
        line(out, "healthy after", format!("{:.2} s", self.start_seconds))?;
        line(out, "peak after 10 s", memory(self.peak_memory_bytes))?;
        line(out, "pending after restart", count(self.pending_after))
    }
}

impl Display for Lists {
    fn fmt(&self, out: &mut Formatter<'_>) -> Result {
        let title = format!("Lists of {}", grouped(self.messages));
        writeln!(out, "\n  {title:<26}{:>12}{:>12}{:>12}", "p50", "p99", "max")?;
        for Listed { what, took } in &self.listed {
            let ms = |value: fn(Spread) -> f64| took.map_or_else(unknown, |took| format!("{:.2} ms", value(took)));
            writeln!(out, "  {what:<26}{:>12}{:>12}{:>12}", ms(|s| s.p50_ms), ms(|s| s.p99_ms), ms(|s| s.max_ms))?;
        }
        Ok(())
    }
}

impl Display for Neighbours {
    fn fmt(&self, out: &mut Formatter<'_>) -> Result {
        let columns = ["before p50", "p99", "during p50", "p99", "failed", "peak memory"];
        let columns: String = columns.iter().map(|column| format!("{column:>13}")).collect();
        writeln!(out, "\n  {:<18}{columns}", "Sends beside")?;
        for Attacked { attack, before, during, failed, peak_memory_bytes } in &self.attacks {
            let ms = |spread: &Option<Spread>, value: fn(Spread) -> f64| {
                spread.map_or_else(unknown, |spread| format!("{:.2} ms", value(spread)))
            };
            let values = [
                ms(before, |s| s.p50_ms),
                ms(before, |s| s.p99_ms),
                ms(during, |s| s.p50_ms),
                ms(during, |s| s.p99_ms),
                grouped(*failed),
                memory(*peak_memory_bytes),
            ];
            let values: String = values.iter().map(|value| format!("{value:>13}")).collect();
            writeln!(out, "  {attack:<18}{values}")?;
        }
        Ok(())
    }
}

fn line(out: &mut Formatter<'_>, name: &str, value: String) -> Result {
    writeln!(out, "  {name:<22}{value:>18}")
}

fn unknown() -> String {
    "-".to_owned()
}

fn memory(bytes: Option<u64>) -> String {
    bytes.map_or_else(unknown, |bytes| format!("{:.1} MB", bytes as f64 / 1e6))
}

fn whole(value: f64) -> String {
    grouped(value.round() as u64)
}

fn grouped(count: u64) -> String {
    let digits = count.to_string();
    let mut text = String::new();
    for (n, digit) in digits.chars().enumerate() {
        if n > 0 && (digits.len() - n).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn large_counts_are_grouped() {
        assert_eq!([0, 999, 1_000, 1_234_567].map(grouped), ["0", "999", "1,000", "1,234,567"]);
    }

    #[test]
    fn the_mean_is_over_all_that_was_measured() {
        assert_eq!(Direct::of(vec![10.0, 20.0, 60.0]).map(|direct| direct.mean_per_second), Some(30.0));
        assert!(Direct::of(vec![]).is_none());
    }
}
