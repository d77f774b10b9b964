//! Listings page by page: `limit`, `iterator`, `done`.
//!
//! An iterator is the id where a page ended; with a `-` before it, the id where one began, and the
//! page is the one before. A page of large rows ends before its limit; its iterator goes on from there.

use crate::error::ApiError;
use crate::input::shortened;
use crate::query::Query;
use postrider_store::Ids;
use postrider_store::id::Kind;
use postrider_store::query::{Found, PAGE_BYTES, Page};
use serde::Serialize;
use serde_json::value::RawValue;
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
                Some(id.ok_or_else(|| no_iterator(text))?.number())
            }
        };
        Ok(Page { limit: self.limit + 1, after, ascending: self.ascending != self.back, content: true })
    }

    /// The response for what was found for [`Asked::page`]: where the look ended early, a page that may be
    /// short, and that the next one goes on from.
    pub fn respond_found<K: Kind, R, T: Serialize>(
        &self,
        ids: &Ids,
        found: Found<R>,
        id: impl Fn(&R) -> String,
        shown: impl Fn(R) -> T,
    ) -> Written {
        let mut page = self.begin();
        for row in found.rows {
            if !page.push(id(&row), &shown(row)) {
                break;
            }
        }
        page.end(found.looked_to.map(|to| ids.text(K::from_number(to))))
    }

    /// The same, if its iterator is an id of this kind.
    pub fn by_id<K: Kind>(self, ids: &Ids) -> Result<Asked, ApiError> {
        match &self.iterator {
            Some(text) if ids.parse::<K>(text).is_none() => Err(no_iterator(text)),
            _ => Ok(self),
        }
    }

    /// The same, if its iterator can be the name of an event type.
    pub fn by_name(self) -> Result<Asked, ApiError> {
        match &self.iterator {
            Some(text) if !postrider_accept::is_event_type_name(text) => Err(no_iterator(text)),
            _ => Ok(self),
        }
    }

    /// A page of a listing that is in memory, in ascending order of `id`.
    pub fn slice<R, T: Serialize>(
        &self,
        mut rows: Vec<R>,
        id: impl Fn(&R) -> String,
        shown: impl Fn(R) -> T,
    ) -> Written {
        if !self.ascending {
            rows.reverse();
        }
        let forward =
            |row: &R, from: &str| if self.ascending { id(row).as_str() > from } else { id(row).as_str() < from };
        if let Some(from) = &self.iterator {
            rows.retain(|row| if self.back { !forward(row, from) && id(row) != *from } else { forward(row, from) });
        }
        if self.back {
            rows.reverse();
        }
        let mut page = self.begin();
        for row in rows {
            if !page.push(id(&row), &shown(row)) {
                break;
            }
        }
        page.end(None)
    }

    pub fn begin(&self) -> Unfinished<'_> {
        Unfinished { asked: self, rows: vec![], bytes: 0, ends: None, is_full: false }
    }
}

fn no_iterator(text: &str) -> ApiError {
    let text = shortened(text);
    let msg =
        format!("{text:?} is not an iterator of this listing; use \"iterator\" or \"prevIterator\" of a page of it");
    ApiError::query("iterator", msg)
}

/// A page as it is sent: its rows are JSON already.
pub type Written = ListResponse<Box<RawValue>>;

/// A page whose rows are written one by one, in the order in which they were looked for, until it has its limit or
/// [`PAGE_BYTES`].
#[derive(Debug)]
pub struct Unfinished<'a> {
    asked: &'a Asked,
    rows: Vec<Box<RawValue>>,
    bytes: usize,
    /// The ids of the first and the last row.
    ends: Option<(String, String)>,
    is_full: bool,
}

impl Unfinished<'_> {
    /// Adds a row. False: the page is full, and the next one begins with this row.
    pub fn push(&mut self, id: String, row: &impl Serialize) -> bool {
        if self.rows.len() >= self.asked.limit {
            self.is_full = true;
            return false;
        }
        // Our own types, whose keys are strings: writing them as JSON can't fail.
        let row = serde_json::value::to_raw_value(row).unwrap_or_else(|_| RawValue::NULL.to_owned());
        self.bytes += row.get().len();
        if self.bytes > PAGE_BYTES && !self.rows.is_empty() {
            self.is_full = true;
            return false;
        }
        self.rows.push(row);
        match &mut self.ends {
            Some((_, last)) => *last = id,
            None => self.ends = Some((id.clone(), id)),
        }
        true
    }

    /// The page; `looked_to`: where it ends if all rows found their place, and more may follow.
    pub fn end(mut self, looked_to: Option<String>) -> Written {
        let back = self.asked.back;
        let (mut first, mut last) = self.ends.unzip();
        if back {
            self.rows.reverse();
            std::mem::swap(&mut first, &mut last);
        }
        let mut page = ListResponse {
            data: self.rows,
            done: !self.is_full && !back,
            iterator: last.or_else(|| self.asked.iterator.clone()),
            prev_iterator: first.map(|first| format!("-{first}")),
        };
        if let Some(to) = looked_to.filter(|_| !self.is_full) {
            page.done = false;
            match back {
                true => page.prev_iterator = Some(format!("-{to}")),
                false => page.iterator = Some(to),
            }
        }
        page
    }
}
