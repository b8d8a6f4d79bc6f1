//! Where the API is served: its base path decides what URLs callers write.

use super::{Comparison, Spans};

pub(super) fn compare(comparison: &mut Comparison<'_, '_>) {
    let (old, new) = (comparison.old, comparison.new);
    let spans = Spans {
        old: old.servers.first().map(|server| server.span),
        new: new.servers.first().map(|server| server.span),
    };
    let (before, after) = (old.base_path().unwrap_or_default(), new.base_path().unwrap_or_default());
    comparison.part("servers", |comparison| {
        if before != after {
            let told = |path: &str| if path.is_empty() { "/".to_owned() } else { path.to_owned() };
            let why =
                format!("the base path {} becomes {}: every URL is another one", told(before), told(after));
            comparison.breaking("base-path-changed", spans, why);
            return;
        }
        for server in &old.servers {
            if !new.servers.iter().any(|other| other.url == server.url) {
                let spans = Spans { old: Some(server.span), new: spans.new };
                comparison.unknown(
                    "server-removed",
                    spans,
                    format!("the server {} is not named any more", server.url),
                );
            }
        }
        for server in &new.servers {
            if !old.servers.iter().any(|other| other.url == server.url) {
                let spans = Spans { old: spans.old, new: Some(server.span) };
                comparison.safe("server-added", spans, format!("the server {} is named", server.url));
            }
        }
    });
}
