//! One template, read and run to its end. Blocks; belongs on a thread with a large stack.

use crate::LONGEST;
use crate::budget::{Budget, Output};
use crate::depth;
use crate::error::TemplateError;
use crate::runtime::Root;
use liquid_core::parser::Language;
use liquid_core::{Error, Object, Renderable, Runtime, Template};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

/// How much is said of an error: it may quote a value.
const REASON: usize = 300;

pub fn parse(text: &str, language: &Language) -> Result<Template, TemplateError> {
    if text.len() > LONGEST {
        return Err(TemplateError::TooLong(text.len()));
    }
    depth::check(text)?;
    let elements = liquid_core::parser::parse(text, language).map_err(|error| syntax(text, &error, language))?;
    Ok(Template::new(elements))
}

pub fn render(
    text: &str,
    language: &Language,
    variables: &Object,
    stop: Arc<AtomicBool>,
) -> Result<String, TemplateError> {
    let template = parse(text, language)?;
    let root = Root::new(variables, Budget::until(stop));
    let mut output = Output { written: Vec::new(), runtime: &root };
    let rendered = template.render_to(&mut output, &root);
    let written = output.written;
    if let Some((what, limit)) = root.registers().get_mut::<Budget>().exhausted {
        return Err(TemplateError::Exhausted { what, limit });
    }
    rendered.map_err(|error| TemplateError::Failed(reason(&error)))?;
    String::from_utf8(written).map_err(|error| TemplateError::Failed(error.to_string()))
}

/// The library says where as `--> line:column`, and what after a `=`.
fn syntax(template: &str, error: &Error, language: &Language) -> TemplateError {
    let text = error.to_string();
    let place =
        text.split_once("--> ").and_then(|(_, rest)| rest.lines().next()).and_then(|at| at.trim().split_once(':'));
    let number = |text: &str| text.parse().ok();
    let reason = text.lines().find_map(|line| line.trim_start().strip_prefix("= ")).map(str::to_owned);
    match place.and_then(|(line, column)| Some((number(line)?, number(column)?))) {
        Some((line, column)) => {
            TemplateError::Syntax { line, column, reason: reason.unwrap_or_else(|| self::reason(error)) }
        }
        None => {
            let (line, column) = wrong_part(template, language);
            TemplateError::Syntax { line, column, reason: self::reason(error) }
        }
    }
}

/// Where the first output or assignment stands that is wrong by itself: of an unknown filter the library
/// does not say where.
fn wrong_part(template: &str, language: &Language) -> (usize, usize) {
    let parts = template.match_indices('{').filter_map(|(at, _)| {
        let rest = &template[at..];
        let end = match rest.strip_prefix("{%") {
            Some(tag) if tag.trim_start_matches('-').trim_start().starts_with("assign") => "%}",
            Some(_) => return None,
            None if rest.starts_with("{{") => "}}",
            None => return None,
        };
        Some((at, &rest[..rest.find(end)? + 2]))
    });
    let mut wrong = parts.filter(|(_, part)| liquid_core::parser::parse(part, language).is_err());
    let before = &template[..wrong.next().map_or(0, |(at, _)| at)];
    let column = before.chars().rev().take_while(|c| *c != '\n').count() + 1;
    (before.matches('\n').count() + 1, column)
}

fn reason(error: &Error) -> String {
    let text = error.to_string();
    let text = text.trim().strip_prefix("liquid: ").unwrap_or(text.trim());
    let lines: Vec<&str> = text.lines().map(str::trim).collect();
    lines.join(", ").chars().take(REASON).collect()
}
