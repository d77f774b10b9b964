//! Query parameters that several listings share, as the OpenAPI document describes them. What reads them
//! is in `query` and `page`.

use utoipa::{IntoParams, ToSchema};

/// Gives a type for the document: one of these numbers.
macro_rules! numbers {
    ($name:ident, $numbers:expr) => {
        impl utoipa::PartialSchema for $name {
            fn schema() -> utoipa::openapi::RefOr<utoipa::openapi::schema::Schema> {
                let integer = utoipa::openapi::ObjectBuilder::new().schema_type(utoipa::openapi::Type::Integer);
                utoipa::openapi::RefOr::T(integer.enum_values(Some($numbers)).build().into())
            }
        }
        impl utoipa::ToSchema for $name {}
    };
}
pub(crate) use numbers;

/// Which page of a listing.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(dead_code, reason = "describes parameters in the OpenAPI document")]
pub struct PageParams {
    /// Rows of a page, at most 250; 50 where nothing is said.
    #[param(minimum = 1, maximum = 250, format = "uint64")]
    limit: Option<u64>,
    /// The `iterator` or `prevIterator` of another page.
    iterator: Option<String>,
}

/// In which order.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(dead_code, reason = "describes parameters in the OpenAPI document")]
pub struct OrderParams {
    /// Of what a listing is sorted by.
    #[param(inline)]
    order: Option<Ordering>,
}

/// A direction.
#[derive(ToSchema)]
#[schema(rename_all = "lowercase")]
#[expect(dead_code, reason = "describes a parameter in the OpenAPI document")]
enum Ordering {
    Ascending,
    Descending,
}

/// Which messages.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(dead_code, reason = "describes parameters in the OpenAPI document")]
pub struct MessageParams {
    /// Only those sent to this channel.
    #[param(pattern = r"^[a-zA-Z0-9\-_.]+$", max_length = 128)]
    channel: Option<String>,
    /// Only those with this tag.
    tag: Option<String>,
    /// Only those from before this time.
    #[param(value_type = Option<String>, format = DateTime)]
    before: Option<String>,
    /// Only those from after this time.
    #[param(value_type = Option<String>, format = DateTime)]
    after: Option<String>,
    /// Whether to show payloads and responses: yes, where nothing is said.
    with_content: Option<bool>,
    /// Only these types.
    event_types: Option<Vec<String>>,
}

/// What stands so.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(dead_code, reason = "describes parameters in the OpenAPI document")]
pub struct StatusParams {
    /// 0 success, 1 pending, 2 fail, 3 sending, 4 canceled.
    #[param(inline)]
    status: Option<crate::resources::MessageStatus>,
    /// Whether to tell canceled (4) from fail (2), which older clients don't know.
    expanded_statuses: Option<bool>,
}

/// What was answered so.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(dead_code, reason = "describes parameters in the OpenAPI document")]
pub struct StatusClassParams {
    /// 0 for no response, 100, 200, 300, 400 or 500 for that class.
    #[param(inline)]
    status_code_class: Option<StatusCodeClass>,
}

/// The first digit of a status code.
pub struct StatusCodeClass;

numbers!(StatusCodeClass, [0, 100, 200, 300, 400, 500]);
