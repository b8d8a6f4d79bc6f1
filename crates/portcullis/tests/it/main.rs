//! What the real executable does, seen from outside: one module per capability.
//!
//! One binary, because each would be linked anew. Every test starts its own gateway on free ports before its
//! own recording backend, and tells what happened there from what arrived here. Cases are tables; a table that
//! any wire can say is run over each.

#![expect(
    clippy::arithmetic_side_effects,
    clippy::disallowed_methods,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::string_slice,
    reason = "tests fail loudly"
)]

mod access;
mod acme;
mod admin;
mod api_keys;
mod attestation;
mod audit;
mod backend_accounts;
mod backend_credentials;
mod balance;
mod bounds;
mod certs;
mod changes;
mod claims;
mod clients;
mod clocks;
mod conditions;
mod contract;
mod contract_bodies;
mod contract_bounds;
mod contract_fields;
mod contract_responses;
mod credentials;
mod crowds;
mod definition_difference;
mod definition_security;
mod definitions;
mod demo;
mod disks;
mod dns;
mod drain;
mod drift;
mod examples;
mod exhaustion;
mod explain;
mod external_authorization;
mod faults;
mod fidelity;
mod gigabytes;
mod guides;
mod health;
mod hold_back;
mod http2_answers;
mod http2_backends;
mod http2_floods;
mod http2_frames;
mod issuers;
mod leniency;
mod lint;
mod listeners;
mod logins;
mod loops;
mod memory;
mod minted_tokens;
mod mock;
mod mutual_tls;
mod neighbours;
mod nodes;
mod operators;
mod overlays;
mod overload;
mod parameters;
mod path_confusion;
mod peers;
mod phantom_tokens;
mod poison;
mod proxy_protocol;
mod quick;
mod readme;
mod real_definitions;
mod records;
mod reference;
mod refused_configurations;
mod reload;
mod retries;
mod service_manager;
mod signed_requests;
mod slow;
mod smuggling;
mod split_tokens;
mod stage;
mod store;
mod stream_grace;
mod streams;
mod takeover;
mod tls;
mod token_exchange;
mod traces;
mod upstream_hostile;
mod websocket;
mod without_loss;
mod wrong_doors;
