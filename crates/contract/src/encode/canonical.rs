//! JSON that `JSON.stringify(JSON.parse(body))` leaves as it is.
//!
//! A receiver that verifies the text it made again from what it parsed gets the same bytes: numbers
//! as JavaScript prints them, and keys that look like array indexes first, in their order.

use super::json;
use crate::tree::Tree;
use bytes::Bytes;

pub fn encode(tree: Tree) -> Result<Bytes, String> {
    Ok(json::encode(&canonical(tree)?))
}

fn canonical(tree: Tree) -> Result<Tree, String> {
    Ok(match tree {
        Tree::Number(text) => number(&text)?,
        Tree::List(items) => Tree::List(items.into_iter().map(canonical).collect::<Result<_, _>>()?),
        Tree::Map(pairs) => {
            let mut pairs = pairs
                .into_iter()
                .map(|(key, value)| Ok((key, canonical(value)?)))
                .collect::<Result<Vec<_>, String>>()?;
            // Stable: other keys keep their order behind the indexes.
            pairs.sort_by_key(|(key, _)| array_index(key).unwrap_or(u64::MAX));
            Tree::Map(pairs)
        }
        other => other,
    })
}

fn number(text: &str) -> Result<Tree, String> {
    let value: f64 = text.parse().map_err(|_| format!("{text} is not a number"))?;
    if value.is_finite() {
        Ok(Tree::Number(ryu_js::Buffer::new().format_finite(value).to_owned()))
    } else {
        // As JavaScript does with what is too large for it.
        Ok(Tree::Null)
    }
}

/// The key as an array index (0 to 2³²-2), as JavaScript defines it.
fn array_index(key: &str) -> Option<u64> {
    let index: u64 = key.parse().ok()?;
    (index < u64::from(u32::MAX) && index.to_string() == key).then_some(index)
}
