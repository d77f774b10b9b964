//! Listings page by page: `limit`, `iterator`, `done`.
//!
//! An iterator is the id where a page ended; with a `-` before it, the id where one began, and the
//! page is the one before.

use crate::error::ApiError;
use crate::query::Query;
use postrider_store::Ids;
use postrider_store::id::Kind;
use postrider_store::query::{Found, Page};
use serde::Serialize;
use utoipa::ToSchema;

const DEFAULT: usize = 50;
const MOST: usize = 250;

/// A page of a listing.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ListResponse<T> {
    pub data: Vec<T>,
    /// Whether this is the last page.
    pub done: bool,
    /// Give it as `iterator` for the next page.
    pub iterator: Option<String>,
    /// Give it as `iterator` for the page before.
    pub prev_iterator: Option<String>,
}

/// Which page was asked for.
#[derive(Clone, Debug)]
pub struct Asked {
    pub limit: usize,
    pub iterator: Option<String>,
    /// The page before `iterator`.
    pub back: bool,
    pub ascending: bool,
}

impl Asked {
    /// Reads `limit`, `iterator` and `order`; `ascending` is the listing's usual order.
    pub fn from_query(query: &Query, ascending: bool) -> Result<Asked, ApiError> {
        let limit = query.number::<usize>("limit")?.unwrap_or(DEFAULT).clamp(1, MOST);
        let ascending = match query.text("order") {
            None => ascending,
            Some("ascending") => true,
            Some("descending") => false,
            Some(other) => {
                return Err(ApiError::query("order", format!("{other:?} is neither ascending nor descending")));
            }
        };
        let (back, iterator) = match query.text("iterator") {
            Some(text) => (text.starts_with('-'), Some(text.trim_start_matches('-').to_owned())),
            None => (false, None),
        };
        Ok(Asked { limit, iterator, back, ascending })
    }

    /// What to ask the store for: one more than the page, to know whether there is more.
    pub fn page<K: Kind>(&self, ids: &Ids) -> Result<Page, ApiError> {
        let after = match &self.iterator {
            None => None,
            Some(text) => {
                let id = ids.parse::<K>(text);
                let wrong = || ApiError::query("iterator", format!("{text:?} is not an iterator of this listing"));
                Some(id.ok_or_else(wrong)?.number())
            }
        };
        Ok(Page { limit: self.limit + 1, after, ascending: self.ascending != self.back, content: true })
    }

    /// The response for what was found for [`Asked::page`]: where the look ended early, a page that may be
    /// short, and that the next one goes on from.
    pub fn respond_found<K: Kind, T>(&self, ids: &Ids, found: Found<T>, id: impl Fn(&T) -> String) -> ListResponse<T> {
        let looked_to = found.looked_to.map(|to| ids.text(K::from_number(to)));
        let mut page = self.respond(found.rows, id);
        if let Some(to) = looked_to {
            page.done = false;
            match self.back {
                true => page.prev_iterator = Some(format!("-{to}")),
                false => page.iterator = Some(to),
            }
        }
        page
    }

    /// The response for rows that came for [`Asked::page`].
    pub fn respond<T>(&self, mut rows: Vec<T>, id: impl Fn(&T) -> String) -> ListResponse<T> {
        let more = rows.len() > self.limit;
        rows.truncate(self.limit);
        if self.back {
            rows.reverse();
        }
        ListResponse {
            done: !more && !self.back,
            iterator: rows.last().map(&id).or_else(|| self.iterator.clone()),
            prev_iterator: rows.first().map(|row| format!("-{}", id(row))),
            data: rows,
        }
    }

    /// A page of a listing that is in memory, in ascending order of `id`.
    pub fn slice<T>(&self, mut rows: Vec<T>, id: impl Fn(&T) -> String) -> ListResponse<T> {
        if !self.ascending {
            rows.reverse();
        }
        let forward =
            |row: &T, from: &str| if self.ascending { id(row).as_str() > from } else { id(row).as_str() < from };
        if let Some(from) = &self.iterator {
            rows.retain(|row| if self.back { !forward(row, from) && id(row) != *from } else { forward(row, from) });
        }
        if self.back {
            rows.reverse();
        }
        rows.truncate(self.limit + 1);
        self.respond(rows, id)
    }
}
