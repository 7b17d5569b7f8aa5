//! The only code that listens, and the client that talks to it.
//!
//! `control_protocol` says what may be asked and answered, `socket_path` where, `control_calls`
//! does what was asked (`job_calls` what is asked about jobs), `control_socket` listens, `client` is the other end. The control socket
//! obeys its owner only, and every wait, line and number of clients on it has a bound.

pub mod control_protocol;
pub mod socket_path;
pub mod control_calls;
pub mod job_calls;
pub mod stop_switch;
pub mod runtime;
pub mod control_socket;
pub mod client;
