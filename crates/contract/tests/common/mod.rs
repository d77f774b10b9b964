//! A delivery to render, with everything that a test does not care about filled in.
#![allow(clippy::unwrap_used, clippy::panic, dead_code)]

use bytes::Bytes;
use postrider_contract::{
    ApplicationView, Book, ContentType, Contract, EndpointView, Kept, MessageView, Outgoing, RenderError, Request,
};
use std::collections::BTreeMap;

pub struct Case<'a> {
    pub contract: &'a str,
    pub event_type: &'a str,
    pub event_id: Option<&'a str>,
    pub event_types: &'a [&'a str],
    pub payload: &'a str,
    pub secrets: &'a [&'a str],
    pub now_ms: i64,
    pub url: &'a str,
    pub endpoint_uid: Option<&'a str>,
    pub endpoint_ms: i64,
    pub application_uid: Option<&'a str>,
    pub metadata: &'a [(&'a str, &'a str)],
    pub settings: &'a [(&'a str, &'a str)],
    pub headers: &'a [(&'a str, &'a str)],
    pub content_type: ContentType,
    pub kept: &'a [Kept],
}

impl Case<'_> {
    pub fn of(contract: &str) -> Case<'_> {
        Case {
            contract,
            event_type: "user.created",
            event_id: None,
            event_types: &[],
            payload: "{}",
            secrets: &[],
            now_ms: 1_700_000_000_123,
            url: "https://example.com/hook",
            endpoint_uid: None,
            endpoint_ms: 1_600_000_000_000,
            application_uid: None,
            metadata: &[],
            settings: &[],
            headers: &[],
            content_type: ContentType::Json,
            kept: &[],
        }
    }

    pub fn render(&self) -> Request {
        let book = Book::shipped();
        self.render_with(book.get(self.contract).expect("a shipped contract"))
    }

    pub fn render_with(&self, contract: &Contract) -> Request {
        self.try_render(contract).unwrap()
    }

    pub fn try_render(&self, contract: &Contract) -> Result<Request, RenderError> {
        let owned = |pairs: &[(&str, &str)]| -> BTreeMap<String, String> {
            pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
        };
        let (metadata, settings) = (owned(self.metadata), owned(self.settings));
        let secrets: Vec<String> = self.secrets.iter().map(|secret| (*secret).to_owned()).collect();
        let headers: Vec<_> = owned(self.headers).into_iter().collect();
        let event_types: Vec<String> = self.event_types.iter().map(|name| (*name).to_owned()).collect();
        let payload = Bytes::copy_from_slice(self.payload.as_bytes());
        contract.render(&Outgoing {
            message: MessageView {
                id: "msg_0123456789abcdefghijkl",
                event_type: self.event_type,
                event_id: self.event_id,
                payload: &payload,
                created_ms: self.now_ms,
            },
            endpoint: EndpointView {
                id: "ep_0123456789abcdefghijkl",
                uid: self.endpoint_uid,
                url: self.url,
                event_types: &event_types,
                metadata: &metadata,
                content_type: self.content_type,
                created_ms: self.endpoint_ms,
                updated_ms: self.endpoint_ms,
            },
            application: ApplicationView {
                id: "app_0123456789abcdefghijkl",
                uid: self.application_uid,
                name: "Acme",
                metadata: &metadata,
            },
            secrets: &secrets,
            headers: &headers,
            settings: &settings,
            kept: self.kept,
            body: None,
            attempt: 1,
            now_ms: self.now_ms,
        })
    }
}

pub fn header(request: &Request, name: &str) -> Option<String> {
    request.headers.iter().find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, value)| value.clone())
}

pub fn text(body: &Bytes) -> String {
    String::from_utf8(body.to_vec()).unwrap()
}

/// A contract that sends `value` in an encoding, with what else is given.
pub fn contract(encoding: &str, value: &str, rest: &str) -> Contract {
    let quotes = "\'".repeat(3);
    let body = format!("[body]\nencoding = {encoding:?}\nvalue = {quotes}{value}{quotes}");
    let text = format!("name = \"t\"\n[events]\nopen = true\n{body}\n{rest}");
    Contract::parse(&text).unwrap_or_else(|problems| panic!("{problems:?} in\n{text}"))
}
