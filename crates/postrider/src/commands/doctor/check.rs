//! A finding, and how findings are shown.

use serde::Serialize;
use std::fmt::Write;

/// How bad it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Status {
    Ok,
    Warning,
    Problem,
}

/// One thing that was looked at.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Check {
    pub name: &'static str,
    pub status: Status,
    pub message: String,
    /// What to do about it, when it is not well.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub advice: Option<String>,
}

#[derive(Serialize)]
struct Findings<'a> {
    ok: bool,
    checks: &'a [Check],
}

impl Check {
    pub fn ok(name: &'static str, message: impl Into<String>) -> Check {
        Check { name, status: Status::Ok, message: message.into(), advice: None }
    }

    pub fn warning(name: &'static str, message: impl Into<String>, advice: impl Into<String>) -> Check {
        Check { name, status: Status::Warning, message: message.into(), advice: Some(advice.into()) }
    }

    pub fn problem(name: &'static str, message: impl Into<String>, advice: impl Into<String>) -> Check {
        Check { name, status: Status::Problem, message: message.into(), advice: Some(advice.into()) }
    }
}

/// A line for each check, one more for what to do, and how many there are of each.
pub fn text(checks: &[Check]) -> String {
    let width = checks.iter().map(|check| check.name.len()).max().unwrap_or(0);
    let mut text = String::new();
    for check in checks {
        let status = match check.status {
            Status::Ok => "ok",
            Status::Warning => "warning",
            Status::Problem => "problem",
        };
        let mut lines = check.message.trim_end().lines().chain(check.advice.as_deref());
        // Writing to a string can't fail.
        let _ = writeln!(text, "{status:7}  {:width$}  {}", check.name, lines.next().unwrap_or_default());
        for line in lines {
            let _ = writeln!(text, "{:7}  {:width$}  {line}", "", "");
        }
    }
    text + &summary(checks)
}

/// The same for programs.
pub fn json(checks: &[Check]) -> String {
    let ok = checks.iter().all(|check| check.status != Status::Problem);
    let findings = Findings { ok, checks };
    serde_json::to_string_pretty(&findings).unwrap_or_default() + "\n"
}

fn summary(checks: &[Check]) -> String {
    let count = |status| checks.iter().filter(|check| check.status == status).count();
    let named = |count: usize, name: &str| format!("{count} {name}{}", if count == 1 { "" } else { "s" });
    match (count(Status::Problem), count(Status::Warning)) {
        (0, 0) => "All is well.\n".to_owned(),
        (0, warnings) => format!("No problem, {}.\n", named(warnings, "warning")),
        (problems, 0) => format!("{}.\n", named(problems, "problem")),
        (problems, warnings) => format!("{}, {}.\n", named(problems, "problem"), named(warnings, "warning")),
    }
}
