//! Kinds of text in the OpenAPI document: what their characters and lengths may be. `accept` checks them.

use utoipa::openapi::schema::Schema;
use utoipa::openapi::{ObjectBuilder, RefOr, Type};
use utoipa::{PartialSchema, ToSchema};

/// Gives a type for the document: a text of this pattern, with so many characters.
macro_rules! text {
    ($(#[doc = $doc:literal])* $name:ident, $pattern:literal, $longest:literal) => {
        $(#[doc = $doc])*
        pub struct $name;

        impl PartialSchema for $name {
            fn schema() -> RefOr<Schema> {
                let text = ObjectBuilder::new().schema_type(Type::String).pattern(Some($pattern));
                RefOr::T(text.min_length(Some(1)).max_length(Some($longest)).build().into())
            }
        }

        impl ToSchema for $name {}
    };
}

text!(
    /// A provider's own name for something, which goes where an id goes.
    Uid, r"^[a-zA-Z0-9\-_.]+$", 256
);
text!(
    /// A channel of messages.
    Channel, r"^[a-zA-Z0-9\-_.]+$", 128
);
text!(
    /// A label of a message.
    Tag, r"^[a-zA-Z0-9\-_.:]+$", 128
);
text!(
    /// An event type's name.
    EventTypeName, r"^[a-zA-Z0-9\-_./]+$", 256
);
text!(
    /// A feature flag.
    Flag, r"^[a-zA-Z0-9\-_.]+$", 256
);
