//! One event for each shipped contract, as the systems' own documents show them.

/// An endpoint of the demo application, and the event that it gets at the start.
#[derive(Clone, Copy, Debug)]
pub struct Example {
    /// The contract; also the endpoint's uid.
    pub contract: &'static str,
    pub event_type: &'static str,
    /// What the endpoint subscribes to; empty: everything.
    pub subscribed: &'static [&'static str],
    pub payload: &'static str,
    /// Where the contract makes none by itself.
    pub secret: Option<&'static str>,
}

/// The systems' own contracts: each endpoint takes events of its system alone.
pub const SYSTEMS: &[Example] = &[
    Example {
        contract: "scope",
        event_type: "scenario_session/created",
        subscribed: &[
            "scenario_session/created",
            "scenario_session/updated",
            "scenario_session/deleted",
            "scenario_session/completed",
            "user/created",
        ],
        payload: r#"{"id": "t5V3S3X8Trt/weWu0A2YHb0cRFJfcRA2rXT3vAGTz1A="}"#,
        secret: Some("my_shared_secret"),
    },
    Example {
        contract: "telerivet",
        event_type: "incoming_message",
        subscribed: &["incoming_message", "send_status", "send_broadcast", "contact_update", "message_metadata"],
        payload: r#"{"message_type": "sms", "from_number": "+16505550123", "content": "Hello world"}"#,
        secret: None,
    },
    Example {
        contract: "tellescope",
        event_type: "endusers.create",
        subscribed: &["endusers.create", "endusers.update", "endusers.delete"],
        payload: r#"{"records": [{"id": "60398b0231a295e64f084fd9", "fname": "Ada"}]}"#,
        secret: None,
    },
    Example {
        contract: "tiledesk",
        event_type: "lead.create",
        subscribed: &["lead.create"],
        payload: r#"{"_id": "5c879fb4f1ae6600173b8c99", "fullname": "Ada Lovelace", "email": "ada@example.com"}"#,
        secret: None,
    },
    Example {
        contract: "uplodr",
        event_type: "question.updated",
        subscribed: &[
            "question.created",
            "question.updated",
            "question.deleted",
            "transcript.created",
            "transcript.updated",
            "transcript.deleted",
        ],
        payload: r#"{
            "id": "SIuAFUNKdSYHZF2w",
            "transcript_id": "xgQQXg3hrtjh7AvZ",
            "employee": {
                "id": "WAz8eIbvDR60rouK",
                "username": "KevinMcCallister",
                "phone_number": "1-800-759-3000",
                "avatar_url": "https://assets.uplodr.chat/avatars/kevin.jpg",
                "last_active_at": 705103200,
                "created_at": 692233200
            },
            "question": "I’m traveling with my dad. He’s at a meeting. I hate meetings.",
            "reactions": [],
            "attachments": [],
            "read_at": 705103200,
            "created_at": 692233200,
            "updated_at": 692233200
        }"#,
        secret: None,
    },
];

/// The open contracts: both endpoints take everything, so that whatever is sent next arrives somewhere.
/// One message goes to both.
pub const OPEN: &[Example] = &[open("standard"), open("svix")];

const fn open(contract: &'static str) -> Example {
    Example {
        contract,
        event_type: "invoice.paid",
        subscribed: &[],
        payload: r#"{"invoice": "in_1", "customer": "Ada Lovelace", "amount": 4200, "currency": "eur"}"#,
        secret: None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use postrider_contract::Book;

    #[test]
    fn every_shipped_contract_has_an_example_that_it_takes() {
        let book = Book::shipped();
        let all: Vec<_> = SYSTEMS.iter().chain(OPEN).collect();
        let mut named: Vec<_> = all.iter().map(|example| example.contract.to_owned()).collect();
        named.sort();
        assert_eq!(named, book.names());
        for example in all {
            let events = book.get(example.contract).unwrap().events();
            assert!(events.is_open() || events.in_catalogue(example.event_type), "{}", example.event_type);
            let wanted: Vec<_> = example.subscribed.iter().map(|name| (*name).to_owned()).collect();
            assert!(events.matches(&wanted, example.event_type), "{}", example.contract);
            assert!(serde_json::from_str::<serde_json::Value>(example.payload).is_ok(), "{}", example.contract);
        }
    }
}
