//! What changes for a receiver when an event type gets another schema.
//!
//! The two JSON Schemas are compared as somebody sees them who wrote code for the first and now gets
//! payloads of the second. What may come now and could not come before breaks that code: another type, a
//! value that was not listed, a property that is missing. What can't come any more breaks nothing, nor
//! does a new property: receivers pass over what they don't know.
//!
//! - References into the same document are followed, `allOf` is read as one schema, and so is "this or
//!   null" (`anyOf` with one other alternative, OpenAPI's `nullable`).
//! - Limits (`minimum`, `maxLength`, …) break when they get wider. A `format` or a `pattern` breaks when it
//!   goes or becomes another: that can be wider, and nothing here can tell.
//! - Other alternatives (`oneOf`, `anyOf`) are compared as a whole, in any order, and so are the keywords in
//!   `WHOLE`: if they differ, that breaks, unless there were none before.
//! - Titles, descriptions, examples and defaults say nothing about payloads and are not compared.
//!
//! A schema that refers to itself is compared once on each way into the payload. There are limits on the
//! depth, the work and the differences; where one is reached, the last difference says so.

mod comparison;
mod shape;
#[cfg(test)]
mod tests;

use comparison::Comparison;
use serde_json::Value;
pub use shape::pointer;

/// One thing that differs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference {
    /// The way into the payload, as a JSON Pointer: `/user/email`; `*` stands for each item of a list and
    /// each value of a map. Empty: the payload itself.
    pub path: String,
    /// What kind of difference it is.
    pub what: What,
    /// Whether code that was written for the first schema may fail on payloads of the second.
    pub breaking: bool,
    /// The same as a sentence.
    pub text: String,
}

/// The kinds of differences.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum What {
    PropertyAdded,
    PropertyRemoved,
    /// A property that is always there now.
    RequiredAdded,
    /// A property that may be missing now.
    RequiredRemoved,
    /// Some types can come that could not, and some can't that could.
    TypeChanged,
    TypeWidened,
    TypeNarrowed,
    EnumValueAdded,
    EnumValueRemoved,
    /// Any value before, one of a list now.
    EnumIntroduced,
    /// One of a list before, any value now.
    EnumLifted,
    /// One value before, another one now.
    ConstChanged,
    FormatChanged,
    PatternChanged,
    LimitWidened,
    LimitNarrowed,
    /// Properties that are not described can come now.
    AdditionalAllowed,
    /// Properties that are not described can't come any more.
    AdditionalRefused,
    AlternativesChanged,
    /// A rule that is compared as a whole.
    RuleChanged,
    /// A limit was reached; the rest was not looked at.
    Unfinished,
}

impl What {
    /// Its stable name.
    pub fn name(self) -> &'static str {
        match self {
            What::PropertyAdded => "property_added",
            What::PropertyRemoved => "property_removed",
            What::RequiredAdded => "required_added",
            What::RequiredRemoved => "required_removed",
            What::TypeChanged => "type_changed",
            What::TypeWidened => "type_widened",
            What::TypeNarrowed => "type_narrowed",
            What::EnumValueAdded => "enum_value_added",
            What::EnumValueRemoved => "enum_value_removed",
            What::EnumIntroduced => "enum_introduced",
            What::EnumLifted => "enum_lifted",
            What::ConstChanged => "const_changed",
            What::FormatChanged => "format_changed",
            What::PatternChanged => "pattern_changed",
            What::LimitWidened => "limit_widened",
            What::LimitNarrowed => "limit_narrowed",
            What::AdditionalAllowed => "additional_allowed",
            What::AdditionalRefused => "additional_refused",
            What::AlternativesChanged => "alternatives_changed",
            What::RuleChanged => "rule_changed",
            What::Unfinished => "unfinished",
        }
    }
}

/// What differs for a receiver between two schemas, in the order of the first: at most 1,000 differences.
pub fn compare(from: &Value, to: &Value) -> Vec<Difference> {
    let mut comparison = Comparison::of(from, to);
    comparison.schemas(&[from], &[to]);
    comparison.done()
}
