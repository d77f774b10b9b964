//! Sharing what is scarce between applications, so that none can take it all.
//!
//! [`FairQueue`] decides whose turn it is. [`Shares`] decides how much of something (slots, bytes) one key may hold.
//! [`Pool`] is [`Shares`] for many tasks: what was taken is given back when its [`Taken`] is dropped.
//!
//! It knows nothing of applications, requests or deliveries: keys are any type.

mod pool;
mod queue;
mod shares;

pub use pool::{Pool, Taken};
pub use queue::FairQueue;
pub use shares::Shares;
