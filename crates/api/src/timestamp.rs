//! Times as the API writes and reads them: RFC 3339 in UTC.

use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

/// `2026-01-31T12:00:00.123Z`.
pub fn text(ms: i64) -> String {
    let time = OffsetDateTime::from_unix_timestamp_nanos(i128::from(ms) * 1_000_000);
    time.ok().and_then(|time| time.format(&Rfc3339).ok()).unwrap_or_default()
}

/// Milliseconds since the epoch. A time without an offset is in UTC.
pub fn parse(text: &str) -> Result<i64, String> {
    let time = OffsetDateTime::parse(text, &Rfc3339);
    match time.or_else(|_| OffsetDateTime::parse(&format!("{text}Z"), &Rfc3339)) {
        Ok(time) => Ok((time.unix_timestamp_nanos() / 1_000_000) as i64),
        Err(_) => Err(format!("{text:?} is not a time; write it like 2026-01-31T12:00:00Z")),
    }
}
