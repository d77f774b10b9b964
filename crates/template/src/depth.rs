//! How deep a template is nested, told from its text: the parser follows each level on its stack.

use crate::error::TemplateError;

/// Blocks within blocks, and indexes within indexes.
const DEEPEST: usize = 64;
const OPENING: [&str; 8] = ["if", "unless", "case", "for", "capture", "comment", "raw", "tablerow"];

pub fn check(text: &str) -> Result<(), TemplateError> {
    let too_deep = |at: usize| {
        let line = text[..at].matches('\n').count() + 1;
        Err(TemplateError::TooDeep { line, limit: DEEPEST })
    };
    let (mut blocks, mut brackets) = (0usize, 0usize);
    for (at, c) in text.char_indices() {
        match c {
            '[' | '(' => brackets += 1,
            ']' | ')' => brackets = brackets.saturating_sub(1),
            '{' => brackets = 0,
            _ => {}
        }
        if let Some(tag) = text[at..].strip_prefix("{%") {
            let name = tag.trim_start_matches('-').trim_start();
            let name = &name[..name.find(|c: char| !c.is_ascii_alphabetic()).unwrap_or(name.len())];
            if OPENING.contains(&name) {
                blocks += 1;
            } else if name.starts_with("end") {
                blocks = blocks.saturating_sub(1);
            }
        }
        if blocks > DEEPEST || brackets > DEEPEST {
            return too_deep(at);
        }
    }
    Ok(())
}
