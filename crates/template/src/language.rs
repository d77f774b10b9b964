//! What a template may say: Liquid's own tags and filters, but those that read other templates, and those that
//! can't be bounded (`tablerow`, `ifchanged`).

use crate::capture_block::CaptureBlock;
use crate::filters::Metered;
use crate::for_block::ForBlock;
use crate::json::Json;
use liquid_core::parser::{Language, ParseFilter};
use liquid_lib::stdlib;

pub fn language() -> Language {
    let mut language = Language::empty();
    for (name, tag) in [
        ("assign", stdlib::AssignTag.into()),
        ("break", stdlib::BreakTag.into()),
        ("continue", stdlib::ContinueTag.into()),
        ("cycle", stdlib::CycleTag.into()),
        ("decrement", stdlib::DecrementTag.into()),
        ("increment", stdlib::IncrementTag.into()),
    ] {
        language.tags.register(name.to_owned(), tag);
    }
    for (name, block) in [
        ("capture", CaptureBlock.into()),
        ("case", stdlib::CaseBlock.into()),
        ("comment", stdlib::CommentBlock.into()),
        ("for", ForBlock.into()),
        ("if", stdlib::IfBlock.into()),
        ("raw", stdlib::RawBlock.into()),
        ("unless", stdlib::UnlessBlock.into()),
    ] {
        language.blocks.register(name.to_owned(), block);
    }
    for filter in filters() {
        let name = filter.reflection().name().to_owned();
        language.filters.register(name, Metered(filter).into());
    }
    language
}

fn filters() -> Vec<Box<dyn ParseFilter>> {
    vec![
        Json.into(),
        stdlib::Abs.into(),
        stdlib::Append.into(),
        stdlib::AtLeast.into(),
        stdlib::AtMost.into(),
        stdlib::Capitalize.into(),
        stdlib::Ceil.into(),
        stdlib::Compact.into(),
        stdlib::Concat.into(),
        stdlib::Date.into(),
        stdlib::Default.into(),
        stdlib::DividedBy.into(),
        stdlib::Downcase.into(),
        stdlib::Escape.into(),
        stdlib::EscapeOnce.into(),
        stdlib::First.into(),
        stdlib::Floor.into(),
        stdlib::Join.into(),
        stdlib::Last.into(),
        stdlib::Lstrip.into(),
        stdlib::Map.into(),
        stdlib::Minus.into(),
        stdlib::Modulo.into(),
        stdlib::NewlineToBr.into(),
        stdlib::Plus.into(),
        stdlib::Prepend.into(),
        stdlib::Remove.into(),
        stdlib::RemoveFirst.into(),
        stdlib::Replace.into(),
        stdlib::ReplaceFirst.into(),
        stdlib::Reverse.into(),
        stdlib::Round.into(),
        stdlib::Rstrip.into(),
        stdlib::Size.into(),
        stdlib::Slice.into(),
        stdlib::Sort.into(),
        stdlib::SortNatural.into(),
        stdlib::Split.into(),
        stdlib::Strip.into(),
        stdlib::StripHtml.into(),
        stdlib::StripNewlines.into(),
        stdlib::Times.into(),
        stdlib::Truncate.into(),
        stdlib::TruncateWords.into(),
        stdlib::Uniq.into(),
        stdlib::Upcase.into(),
        stdlib::UrlDecode.into(),
        stdlib::UrlEncode.into(),
        stdlib::Where.into(),
    ]
}
