//! The only room that opens outgoing connections.
//!
//! [`Egress::send`] makes one request: it resolves the name, checks each address against the
//! [`AddressRules`], connects to one that passed, and reads the response up to a cap, all before one
//! deadline. The check happens in the step that connects, so a name that changes its answer gains
//! nothing. Redirects are never followed.
//!
//! [`Mailer`] speaks to the one mail server that the operator named.
//!
//! It knows nothing of messages, endpoints or contracts, and decides no retry.

mod address;
mod body;
mod chunked;
mod client;
mod client_certificate;
mod connect;
mod decode;
mod error;
mod exchange;
mod head;
mod laggards;
mod mail;
mod pool;
mod profile;
mod proxies;
mod proxy;
mod proxy_sets;
mod race;
mod request;
mod resolve;
mod stream;
mod system_files;
mod tls;
mod tls_words;
mod tunnel;
mod verifier;

pub use address::AddressRules;
pub use body::Incomplete;
pub use client::{Call, Egress, Options, Reply};
pub use error::{SendError, SetupError};
pub use mail::{Mail, MailError, MailSetupError, Mailer};
pub use profile::{TlsParts, TlsProblem, TlsProfile};
pub use proxy::{ProxySettings, ProxyUrl};
