//! Where in a body something is.

/// Characters of a name of the caller's own that an answer repeats.
const LONGEST_NAME: usize = 100;

/// A place in a body: the way to it from the outside in.
#[derive(Clone, Copy, Debug)]
pub enum Place<'a> {
    Body,
    Field(&'a Place<'a>, &'a str),
    Item(&'a Place<'a>, usize),
}

impl Place<'_> {
    /// As answers give it: `["body", "eventTypes", "2"]`. Clients of Svix read texts here, so numbers are texts.
    pub fn loc(&self) -> Vec<String> {
        match self {
            Place::Body => vec!["body".to_owned()],
            Place::Field(outer, name) => with(outer.loc(), shortened(name)),
            Place::Item(outer, index) => with(outer.loc(), index.to_string()),
        }
    }
}

fn with(mut loc: Vec<String>, last: String) -> Vec<String> {
    loc.push(last);
    loc
}

/// A text of the caller's, at a length that an answer can repeat.
pub fn shortened(text: &str) -> String {
    match text.char_indices().nth(LONGEST_NAME) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}
