//! Mail, to the server that the operator named.

use lettre::message::Mailbox;
use lettre::message::header::ContentType;
use lettre::{AsyncSmtpTransport, AsyncTransport, Message, Tokio1Executor};
use std::time::Duration;
use thiserror::Error;

/// For each step of the conversation with the server.
const TIMEOUT: Duration = Duration::from_secs(10);

/// Why no mail can be sent at all.
#[derive(Debug, Error)]
pub enum MailSetupError {
    #[error("{url:?} is not an SMTP server ({reason}); give smtp://HOST:PORT or smtps://USER:PASSWORD@HOST")]
    Server { url: String, reason: String },
    #[error("{address:?} is not a sender's address ({reason}); give one such as Hooks <hooks@example.com>")]
    Sender { address: String, reason: String },
}

/// A mail was not taken.
#[derive(Debug, Error)]
#[error("{reason}")]
pub struct MailError {
    reason: String,
    /// Another try may do.
    pub is_transient: bool,
}

/// A plain text.
#[derive(Clone, Debug)]
pub struct Mail {
    pub to: Vec<String>,
    pub subject: String,
    pub text: String,
}

/// Sends mail. Clones share the server.
#[derive(Clone, Debug)]
pub struct Mailer {
    transport: AsyncSmtpTransport<Tokio1Executor>,
    from: Mailbox,
}

impl Mailer {
    /// `url` as `smtp://…` or `smtps://…`, `from` as `Name <address>` or an address alone.
    pub fn new(url: &str, from: &str) -> Result<Mailer, MailSetupError> {
        let wrong = |reason: String| MailSetupError::Server { url: without_password(url), reason };
        let builder = AsyncSmtpTransport::<Tokio1Executor>::from_url(url).map_err(|error| wrong(error.to_string()))?;
        let from = from.parse().map_err(|error: lettre::address::AddressError| MailSetupError::Sender {
            address: from.to_owned(),
            reason: error.to_string(),
        })?;
        Ok(Mailer { transport: builder.timeout(Some(TIMEOUT)).build(), from })
    }

    /// Returns when the server has taken it.
    pub async fn send(&self, mail: Mail) -> Result<(), MailError> {
        let message = self.message(mail).map_err(|reason| MailError { reason, is_transient: false })?;
        let sent = self.transport.send(message).await;
        let refused = |error: lettre::transport::smtp::Error| MailError {
            is_transient: !error.is_permanent(),
            reason: error.to_string(),
        };
        sent.map(drop).map_err(refused)
    }

    fn message(&self, mail: Mail) -> Result<Message, String> {
        let mut message =
            Message::builder().from(self.from.clone()).subject(mail.subject).header(ContentType::TEXT_PLAIN);
        for address in &mail.to {
            message = message.to(address.parse().map_err(|error| format!("{address:?}: {error}"))?);
        }
        message.body(mail.text).map_err(|error| error.to_string())
    }
}

fn without_password(url: &str) -> String {
    match (url.split_once("://"), url.rsplit_once('@')) {
        (Some((scheme, _)), Some((_, place))) => format!("{scheme}://…@{place}"),
        _ => url.to_owned(),
    }
}
