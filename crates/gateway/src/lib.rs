//! Everything a request touches, and the configuration that shapes it.
//!
//! The modules stand in the order a request meets them; imports point downwards only (`xtask tidy` looks).
//! Read `exchange` first: one request from its head to its log line.

pub mod gateway;
pub mod listener;

pub mod exchange;

pub mod resources;
pub mod snapshot;

pub mod acme;
pub mod authorizers;
pub mod callers;
pub mod certificates;
pub mod config;
pub mod fetch;
pub mod http;
pub mod issuers;
pub mod logins;
pub mod observe;
pub mod operators;
pub mod pipeline;
pub mod policies;
pub mod problem;
pub mod route;
pub mod store;
pub mod upstream;

pub mod dns;
pub mod oauth;
pub mod passwords;
pub mod session_ends;
pub mod signing;
pub mod vault;

pub mod answers;
pub mod bounds;
pub mod chores;
pub mod clock;
pub mod descriptors;
pub mod files;
pub mod once;
pub mod panics;
pub mod protobuf;
pub mod remembered;
pub mod sealing;
pub mod secret;
pub mod tally;
pub mod tasks;
pub mod workers;
