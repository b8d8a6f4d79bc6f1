//! The operation a request asks for, under every reading of its path that a backend may have.
//!
//! Most paths are plain and have one. Of others ([`reading`]) each must lead to the same operation, or the request is refused.
//!
//! A segment that begins with `;` passes only as a parameter of style `matrix` that the operation declares at that place
//! (`route::matrix`), and then the readings of those who cut it off must lead to no other operation: `/{user}/keys` beside
//! `/keys` does not make `/;x/keys` a way around what `/keys` asks for.

use std::sync::Arc;

use super::{MALFORMED_REQUEST, malformed};
use crate::http::{Canonical, Malformed, reading};
use crate::pipeline::{Context, Operation, Stop};
use crate::route::matrix::{self, Places};
use crate::route::{Found, Routes};

/// Finds the operation, or what is there instead.
pub(super) fn find<'a>(
    routes: &'a Routes<Arc<Operation>>,
    request: &Canonical,
    cx: &mut Context,
) -> Result<Found<'a, Arc<Operation>>, Stop> {
    let (host, method, path) = (request.host(), request.method(), request.path());
    let found = routes.find(host, method, path);
    if request.has_plain_path() {
        return Ok(found);
    }
    let places = match &found {
        Found::Operation(operation) => operation.matrix.as_ref().map(|matrix| matrix.of(path)),
        Found::OtherMethods(_) | Found::Nothing => None,
    };
    let places = places.unwrap_or_default();
    if request.has_bare_parameters() && !matrix::are_all(path, &places) {
        return Err(malformed(Malformed::PathEmptySegment, cx));
    }
    let Found::Operation(operation) = &found else { return Ok(found) };
    if let Some(generous) = reading::generous_beside(path, &places) {
        let same = match routes.find(host, method, &generous) {
            Found::Operation(other) => Arc::ptr_eq(operation, other),
            Found::OtherMethods(_) | Found::Nothing => false,
        };
        if !same {
            return Err(ambiguous("another reading of the path leads to another operation", cx));
        }
    }
    for other in others(path, &places) {
        let leads_away = match routes.find(host, method, &other) {
            Found::Operation(other) => !Arc::ptr_eq(operation, other),
            Found::OtherMethods(_) => true,
            Found::Nothing => false,
        };
        if leads_away {
            return Err(ambiguous(
                "another reading of its slashes or parameters leads to another operation",
                cx,
            ));
        }
    }
    Ok(found)
}

/// Readings of those who do not know what a listener lets pass, or an operation declares. They may lead nowhere.
fn others(path: &str, places: &Places) -> impl Iterator<Item = String> {
    let cut = if places.is_empty() { None } else { reading::generous(path) };
    let cut_and_merged = cut.as_deref().and_then(reading::merged);
    let merged = reading::merged(path);
    let merged_and_cut = merged.as_deref().and_then(reading::generous);
    [cut, cut_and_merged, merged, merged_and_cut].into_iter().flatten()
}

/// A path that leads to two operations, by two readings.
fn ambiguous(why: &'static str, cx: &mut Context) -> Stop {
    cx.end_connection();
    MALFORMED_REQUEST.with(MALFORMED_REQUEST.title).because(why).into()
}
