//! What `postrider dev` shows: an example for each shipped contract, and an inbox that receives them
//! and checks their signatures.

pub mod examples;
pub mod inbox;
pub mod keyring;
mod page;
pub mod verify;

/// The uid of the demo application.
pub const APP: &str = "demo";
