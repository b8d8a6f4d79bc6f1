//! Fields by which gateways and balancers tell a backend who called, from where, over which certificate, and for
//! which original target or method.
//!
//! A backend believes them because only its gateway can reach it. So only its gateway may say them: a copy from
//! outside is dropped on every route, with or without authentication, whoever sent it, in the head and in
//! trailers, in every spelling that a backend may read as the same name (CGI makes one variable of `X-Real-IP`,
//! `x_real_ip` and `X.Real.IP`). What a trusted proxy says is read by `forwarded` before that. Dropped and not
//! refused, because honest proxies in front send them on every request.
//!
//! What fields in wide use as a *caller's own* credentials or choices do is not said by a gateway, and they pass:
//! `Authorization`, `X-API-Key`, `X-Auth-Token`, `X-Access-Token`, `X-Request-Id`, `X-Role`. When a gateway sets
//! one of those for a backend it must remove all aliases first: [`remove_aliases`].
//!
//! Names and prefixes are public knowledge, gathered from the documentation of the products named.

use portcullis_http1::Fields;

use super::names::{self, Kind};

/// Who sets fields about the caller, and which ones.
#[derive(Debug)]
pub struct Claimant {
    /// The specification, product or habit.
    pub who: &'static str,
    /// Names in lower case with hyphens; a star at the end makes a prefix.
    pub fields: &'static [&'static str],
}

/// Whether a field called `name`, in this or any alias spelling, is a claim.
pub fn is_claim(name: &[u8]) -> bool {
    names::kind(name) == Some(Kind::Claim)
}

/// Drops every claim. For trailers and for fields that come from anywhere but the gateway itself.
pub fn strip(fields: &mut Fields) {
    fields.retain(|field| !is_claim(field.name));
}

/// Whether a backend may read a field called `name` as `other`.
pub fn are_aliases(name: &[u8], other: &[u8]) -> bool {
    names::are_aliases(name, other)
}

/// Removes every field that a backend may read as `name`: other case, `_` or `.` for `-`.
///
/// For whoever sets a field that a backend is to believe.
pub fn remove_aliases(fields: &mut Fields, name: &str) {
    fields.retain(|field| !names::are_aliases(field.name, name.as_bytes()));
}

/// The list. `docs/reference` prints it.
pub const CLAIMS: &[Claimant] = &[
    Claimant { who: "RFC 7239", fields: &["forwarded*"] },
    Claimant {
        who: "RFC 9440 and what preceded it",
        fields: &[
            "client-cert",
            "client-cert-*",
            "x-client-cert*",
            "x-clientcert*",
            "x-client-dn",
            "x-client-s-dn",
            "x-client-i-dn",
            "x-client-verify",
            "x-client-verified",
            "x-client-subject*",
            "x-client-issuer*",
            "x-client-serial*",
            "x-client-fingerprint*",
            "x-client-san*",
            "x-client-tls*",
            "x-client-ssl*",
            "x-client-mtls*",
            "x-client-spiffe*",
        ],
    },
    Claimant {
        who: "every balancer: X-Forwarded-For, -Proto, -Host, -Port, -Prefix, -Uri, -User, -Client-Cert, ...",
        fields: &["x-forward*"],
    },
    Claimant {
        who: "addresses under other names",
        fields: &[
            "x-real-*",
            "real-ip",
            "real-client-ip",
            "forwarder*",
            "forwarding*",
            "cluster-client-ip",
            "cluster-ip",
            "host-ip",
            "origin-ip",
            "originating-ip",
            "override-ip",
            "x-device-ip",
            "client-ip",
            "x-client-ip*",
            "x-clientip",
            "x-client-address",
            "x-client-addr",
            "x-client-host",
            "x-client-port",
            "x-client-proto",
            "x-cluster-client-*",
            "true-client-*",
            "x-true-client-*",
            "x-source-ip",
            "x-sourceip",
            "x-ip",
            "x-ip-*",
            "x-originating-*",
            "x-origin-ip",
            "x-remote-*",
            "remote-*",
            "x-peer-ip",
            "x-user-ip",
            "x-custom-ip-*",
            "x-coming-from",
            "x-proxyuser-ip",
            "proxy-client-ip",
            "x-geoip*",
            "geoip-*",
            "x-geo-*",
        ],
    },
    Claimant {
        who: "original target and method, replaced on the way",
        fields: &[
            "x-original-*",
            "x-rewrite-*",
            "x-rewritten-*",
            "x-replaced-path",
            "x-override-url",
            "x-host",
            "x-host-override",
            "x-http-method*",
            "x-http-host-override",
            "x-http-path-override",
            "x-http-destinationurl",
            "x-method-override",
            "x-method",
            "x-request-uri",
            "request-uri",
            "x-requested-uri",
            "x-proxy-url",
            "x-proxy-host",
            "x-script-name",
            "script-name",
            "x-path-info",
            "x-backend-host",
            "x-waws-unencoded-url",
            "x-url-rewrite",
            "http-host",
            "http-url",
            "base-url",
            "origin-host",
        ],
    },
    Claimant {
        who: "scheme of the first hop",
        fields: &[
            "x-scheme",
            "x-url-scheme",
            "x-proto",
            "x-protocol",
            "x-https",
            "https",
            "front-end-https",
            "x-tls-*",
            "tls-*",
            "x-mtls-*",
        ],
    },
    Claimant { who: "CGI: `Proxy` becomes HTTP_PROXY (httpoxy)", fields: &["proxy"] },
    Claimant {
        who: "nginx, Rack::Sendfile",
        fields: &["x-nginx-*", "x-accel-*", "x-sendfile-type", "x-auth-request-*"],
    },
    Claimant {
        who: "nginx and Apache TLS variables",
        fields: &["ssl-*", "x-ssl", "x-ssl-*", "x-sslclient*"],
    },
    Claimant { who: "HAProxy", fields: &["x-haproxy-*"] },
    Claimant {
        who: "Kong, APISIX",
        fields: &[
            "x-consumer-*",
            "x-credential-*",
            "x-anonymous-consumer",
            "x-authenticated*",
            "x-userinfo",
            "x-id-token",
            "x-kong-*",
            "x-apisix-*",
            "x-anonymous",
        ],
    },
    Claimant {
        who: "Tyk, Gravitee, KrakenD, WSO2, 3scale, Apigee, RapidAPI, Traefik",
        fields: &[
            "x-tyk-*",
            "x-gravitee-*",
            "x-krakend*",
            "x-jwt-assertion",
            "x-wso2-*",
            "x-3scale-*",
            "x-apigee-*",
            "x-rapidapi-user",
            "x-rapidapi-subscription",
            "x-rapidapi-proxy-secret",
            "x-traefik-*",
        ],
    },
    Claimant {
        who: "Envoy, Istio, Linkerd",
        fields: &[
            "x-envoy-*",
            "x-istio-*",
            "x-jwt-claim*",
            "x-jwt-payload",
            "x-jwt-sub*",
            "x-spiffe-*",
            "l5d-*",
        ],
    },
    Claimant {
        who: "oauth2-proxy, Authelia, Authentik, Pomerium, Vouch, Louketo, mod_auth_*",
        fields: &[
            "gap-auth",
            "gap-signature",
            "x-authentik-*",
            "x-authelia-*",
            "x-pomerium-*",
            "x-vouch-*",
            "x-auth-audience",
            "x-auth-email",
            "x-auth-expiresin",
            "x-auth-groups",
            "x-auth-roles",
            "x-auth-subject",
            "x-auth-userid",
            "x-auth-user-*",
            "x-auth-username",
            "x-auth-name",
            "oidc-*",
            "x-oidc-*",
            "mellon-*",
            "gss-*",
            "cas-*",
            "shib-*",
            "x-shib-*",
            "eppn",
            "persistent-id",
            "targeted-id",
            "x-saml-*",
            "x-sso-*",
            "x-ldap-*",
            "x-kerberos-*",
        ],
    },
    Claimant {
        who: "identity under plain names",
        fields: &[
            "x-user",
            "x-userid",
            "x-user-id",
            "x-user-name",
            "x-username",
            "x-user-email",
            "x-email",
            "x-user-group",
            "x-user-groups",
            "x-groups",
            "x-user-role",
            "x-user-roles",
            "x-user-info",
            "x-user-claims",
            "x-user-scopes",
            "x-user-sub",
            "x-user-dn",
            "x-user-permissions",
            "x-webauth-*",
            "x-proxy-user*",
            "proxy-user",
            "x-identity",
            "x-identity-*",
            "x-principal*",
            "x-rh-identity",
            "x-token-claim*",
            "x-claim-*",
            "impersonate-*",
            "x-tailscale-*",
            "tailscale-*",
            "x-verified-*",
            "authenticated-user*",
            "authenticated-groups",
        ],
    },
    Claimant {
        who: "SiteMinder, WebSEAL, WebSphere, WebLogic, Oracle Access Manager",
        fields: &[
            "sm-user*",
            "sm-auth*",
            "sm-server*",
            "sm-universalid",
            "sm-transactionid",
            "iv-user",
            "iv-user-l",
            "iv-groups",
            "iv-creds",
            "iv-remote-address",
            "iv-server-name",
            "$wsa*",
            "$wsc*",
            "$wsi*",
            "$wsp*",
            "$wsr*",
            "$wss*",
            "wl-proxy-*",
            "oam-*",
            "osso-*",
        ],
    },
    Claimant {
        who: "AWS: ALB, API Gateway, CloudFront, Lattice, Verified Access",
        fields: &[
            "x-amzn-oidc-*",
            "x-amzn-mtls-*",
            "x-amzn-tls-*",
            "x-amzn-ava-*",
            "x-amzn-lattice-*",
            "x-amzn-cognito-*",
            "x-amzn-request-context",
            "x-amzn-lambda-context",
            "x-amzn-source-*",
            "x-amzn-remapped-*",
            "x-apigateway-*",
            "cloudfront-*",
        ],
    },
    Claimant {
        who: "Azure: App Service, Application Gateway, Front Door, API Management",
        fields: &[
            "x-ms-client-*",
            "x-ms-token-*",
            "x-ms-auth-*",
            "x-azure-*",
            "x-arr-*",
            "disguised-host",
            "was-default-hostname",
            "x-fd-*",
            "x-appgw-*",
        ],
    },
    Claimant {
        who: "Google: IAP, App Engine, load balancing, Endpoints",
        fields: &[
            "x-goog-authenticated-*",
            "x-goog-iap-*",
            "x-appengine-*",
            "x-endpoint-api-*",
            "x-google-*",
            "x-gfe-*",
        ],
    },
    Claimant {
        who: "Cloudflare",
        fields: &[
            "cf-connecting-*",
            "cf-pseudo-*",
            "cf-visitor",
            "cf-ip*",
            "cf-region*",
            "cf-access-*",
            "cf-client-*",
            "cf-cert-*",
            "cf-tls-*",
            "cf-bot-*",
            "cf-threat-*",
            "cf-verified-*",
            "cf-ja3*",
            "cf-ja4*",
            "cf-worker",
            "cf-ew-*",
            "cf-metro-code",
            "cf-postal-code",
            "cf-timezone",
        ],
    },
    Claimant {
        who: "other content networks and platforms",
        fields: &[
            "fastly-*",
            "x-fastly-*",
            "akamai-*",
            "x-akamai-*",
            "x-edge-*",
            "incap-*",
            "x-incap-*",
            "x-sucuri-*",
            "ali-cdn-*",
            "cdn-*",
            "x-cdn-*",
            "eo-client-*",
            "eo-connecting-*",
            "fly-client-*",
            "fly-forwarded-*",
            "fly-region",
            "do-connecting-*",
            "x-nf-*",
            "x-vercel-*",
            "ngrok-auth-*",
            "x-qiniu-*",
        ],
    },
    Claimant { who: "Portcullis itself", fields: &["x-portcullis-*", "portcullis-*"] },
];

#[cfg(test)]
mod tests;
