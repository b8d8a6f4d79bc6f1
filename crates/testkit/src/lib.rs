//! One harness for tests, examples and benches: the real executable, and hostile company around it.
//!
//! [`Gateway`] runs the executable in a folder of its own and hands out what it logs; [`Recorder`] is the
//! backend that remembers every byte; [`raw`] is the client that may say anything. What reads HTTP here
//! shares no code with the gateway: a fault that both had would be invisible. Everything blocks on threads of
//! the standard library, so that a test reads from top to bottom, and every wait has a deadline.
//!
//! A failed expectation of the harness itself panics: it is always the test's failure.

#![expect(
    clippy::arithmetic_side_effects,
    clippy::disallowed_methods,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stderr,
    reason = "a harness fails its test loudly, and reads the real clock"
)]

pub mod acme;
pub mod certificates;
pub mod deadline;
pub mod dns;
pub mod exchange;
pub mod fault;
pub mod gateway;
pub mod h2;
pub mod load;
pub mod pebble;
pub mod postgres;
pub mod provider;
pub mod raw;
pub mod recorder;
pub mod tls;
pub mod tokens;

pub use deadline::{Deadline, Stopwatch};
pub use exchange::{Request, Response, Wire};
pub use gateway::{Gateway, Signal};
pub use postgres::Postgres;
pub use provider::Provider;
pub use recorder::{Message, Recorder, Reply};
