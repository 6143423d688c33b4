//! Stands in for an instance of StackStorm: its HTTP API as far as content goes, and its files.
//!
//! How it answers follows what releases were measured to do: scopes by version, fifty keys to a client that does
//! not ask for more, ciphertext unless asked, nothing where the datastore key is another. The real client of the
//! project is run against it in the tests of the roll-over, so that it does not only agree with itself.

mod answers;
mod http;
mod instance;
mod keys;
mod state;

pub use instance::Instance;
pub use state::State;
