//! Fields by which servers tell what they are made of: of use to whoever looks for a hole in that, and to nobody else.

use portcullis_http1::Fields;

/// The fields, in order, in lower case.
const BANNERS: &[&str] = &[
    "liferay-portal",
    "oracle-dms-ecid",
    "powered-by",
    "product",
    "server",
    "sourcemap",
    "x-application-context",
    "x-aspnet-version",
    "x-aspnetmvc-version",
    "x-backend",
    "x-backend-server",
    "x-cms",
    "x-debug-token",
    "x-debug-token-link",
    "x-envoy-upstream-service-time",
    "x-feserver",
    "x-framework",
    "x-generated-by",
    "x-generator",
    "x-owa-version",
    "x-php-version",
    "x-powered-by",
    "x-powered-by-plesk",
    "x-powered-cms",
    "x-runtime",
    "x-server",
    "x-server-name",
    "x-server-powered-by",
    "x-sourcefiles",
    "x-sourcemap",
    "x-varnish",
    "x-varnish-backend",
    "x-varnish-server",
    "x-version",
];

/// Takes them out, but for those that the answer is declared to have.
pub(super) fn remove(fields: &mut Fields, is_declared: impl Fn(&str) -> bool) {
    fields.retain(|field| {
        let order = |known: &&str| known.bytes().cmp(field.name.iter().map(u8::to_ascii_lowercase));
        let found = BANNERS.binary_search_by(order).ok().and_then(|at| BANNERS.get(at));
        found.is_none_or(|name| is_declared(name))
    });
}

#[cfg(test)]
mod tests {
    use portcullis_http1::Fields;

    use super::{BANNERS, remove};

    #[test]
    fn banners_go_and_what_is_declared_stays() {
        assert!(BANNERS.is_sorted());
        let mut fields = Fields::new();
        for (name, value) in
            [("Server", "x/1"), ("X-Powered-By", "y"), ("x-runtime", "1"), ("X-Version", "7"), ("Via", "z")]
        {
            fields.push(name, value);
        }
        remove(&mut fields, |name| name == "x-version");
        let left: Vec<_> = fields.iter().map(|field| field.name.to_ascii_lowercase()).collect();
        assert_eq!(left, [b"x-version".to_vec(), b"via".to_vec()]);
    }
}
