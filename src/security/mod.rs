//! Who may connect, and as whom: credentials, and in time authentication and authorization.
//!
//! Responsible for: what is kept of a user's SCRAM password (RFC 5802), and how it is derived. Must not know: requests, records of
//! the metadata log, sockets. Pure data and functions, on every thread. Called by `metadata` (keeps credentials) and
//! `server` (derives them from what a client sends).
//!
//! Promises: nothing secret is in any `Debug` output, so nothing secret is ever logged by accident.
//!
//! Connections are not authenticated yet: credentials can be set, listed and deleted, and nobody is asked for them.
//! Start reading in [`scram_credential`].

pub mod scram_credential;
pub mod scram_mechanism;

pub use scram_credential::ScramCredential;
pub use scram_mechanism::ScramMechanism;
