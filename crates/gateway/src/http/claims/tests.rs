use portcullis_http1::Fields;

use super::{is_claim, remove_aliases, strip};

#[test]
fn what_only_a_gateway_may_say_is_a_claim_in_every_spelling() {
    for name in [
        "Forwarded",
        "X-Forwarded-For",
        "X-Forwarded-Host",
        "X-Forwarded-Proto",
        "X-Forwarded-Port",
        "X-Forwarded-Prefix",
        "X-Forwarded-Uri",
        "X-Forwarded-User",
        "X-Forwarded-Email",
        "X-Forwarded-Groups",
        "X-Forwarded-Preferred-Username",
        "X-Forwarded-Access-Token",
        "X-Forwarded-Client-Cert",
        "X-Forwarded-Tls-Client-Cert-Info",
        "X-Forwarded-Server",
        "X-Forwarded",
        "X-Forward-For",
        "X-Real-IP",
        "X-Real-Port",
        "X-Client-IP",
        "True-Client-IP",
        "X-Cluster-Client-IP",
        "Client-IP",
        "X-Originating-IP",
        "X-Remote-IP",
        "X-Remote-Addr",
        "CF-Connecting-IP",
        "CF-Connecting-IPv6",
        "CF-Access-Jwt-Assertion",
        "CF-Access-Authenticated-User-Email",
        "CF-IPCountry",
        "CF-Visitor",
        "Fastly-Client-IP",
        "Akamai-Origin-Hop",
        "Fly-Client-IP",
        "X-Azure-ClientIP",
        "X-Azure-SocketIP",
        "X-Original-URL",
        "X-Original-Host",
        "X-Original-Method",
        "X-Original-URI",
        "X-Original-Forwarded-For",
        "X-Rewrite-URL",
        "X-HTTP-Method",
        "X-HTTP-Method-Override",
        "X-Method-Override",
        "X-Host",
        "X-Scheme",
        "Front-End-Https",
        "X-SSL-Client-Cert",
        "X-SSL-Client-DN",
        "X-SSL-Client-Verify",
        "SSL-Client-S-DN",
        "SSL_CLIENT_CERT",
        "SSL_CLIENT_VERIFY",
        "X-Client-Cert",
        "X-Client-Cert-Chain",
        "X-Client-Certificate",
        "X-ClientCert",
        "X-Client-DN",
        "X-Client-Verify",
        "Client-Cert",
        "Client-Cert-Chain",
        "X-ARR-ClientCert",
        "X-Amzn-Mtls-Clientcert-Leaf",
        "Remote-User",
        "Remote-Groups",
        "Remote-Email",
        "Remote-Name",
        "X-Remote-User",
        "X-Remote-Group",
        "X-Remote-Extra-Scopes",
        "X-WEBAUTH-USER",
        "X-Auth-Request-User",
        "X-Auth-Request-Email",
        "X-Auth-Request-Access-Token",
        "X-Authenticated-User",
        "X-Authenticated-Userid",
        "X-Authenticated-Groups",
        "X-Authenticated-Scope",
        "X-Consumer-ID",
        "X-Consumer-Username",
        "X-Consumer-Custom-ID",
        "X-Consumer-Groups",
        "X-Credential-Identifier",
        "X-Anonymous-Consumer",
        "X-Userinfo",
        "X-ID-Token",
        "X-User-ID",
        "X-User-Email",
        "X-Username",
        "X-Envoy-Internal",
        "X-Envoy-External-Address",
        "X-Envoy-Original-Path",
        "X-Envoy-Peer-Metadata",
        "X-Amzn-Oidc-Data",
        "X-Amzn-Oidc-Identity",
        "X-Amzn-Oidc-Accesstoken",
        "X-Goog-Authenticated-User-Email",
        "X-Goog-Authenticated-User-Id",
        "X-Goog-IAP-JWT-Assertion",
        "X-Appengine-User-Ip",
        "X-Endpoint-API-UserInfo",
        "X-Apigateway-Api-Userinfo",
        "X-MS-CLIENT-PRINCIPAL",
        "X-MS-CLIENT-PRINCIPAL-NAME",
        "X-MS-TOKEN-AAD-ID-TOKEN",
        "X-JWT-Assertion",
        "X-JWT-Payload",
        "X-authentik-username",
        "X-Pomerium-Claim-Email",
        "X-Pomerium-Jwt-Assertion",
        "X-Vouch-User",
        "OIDC_CLAIM_sub",
        "OIDC-Access-Token",
        "SM_USER",
        "SM-UserDN",
        "iv-user",
        "iv-creds",
        "$WSRU",
        "$WSCC",
        "WL-Proxy-Client-IP",
        "WL-Proxy-Client-Cert",
        "Proxy-Client-IP",
        "OAM_REMOTE_USER",
        "Shib-Session-ID",
        "l5d-client-id",
        "X-Istio-Attributes",
        "Tailscale-User-Login",
        "X-NF-Client-Connection-IP",
        "X-Vercel-Forwarded-For",
        "Impersonate-User",
        "X-Accel-Mapping",
        "X-Sendfile-Type",
        "X-Tyk-Authorization",
        "X-Portcullis-Subject",
        "X-Portcullis-Consumer",
        "Proxy",
    ] {
        for spelling in [
            name.to_owned(),
            name.to_lowercase(),
            name.to_uppercase(),
            name.replace('-', "_"),
            name.replace('-', "."),
        ] {
            assert!(is_claim(spelling.as_bytes()), "{spelling}");
        }
    }
}

#[test]
fn what_callers_say_for_themselves_is_no_claim() {
    for name in [
        "Accept",
        "Accept-Language",
        "Authorization",
        "Cookie",
        "Content-Type",
        "User-Agent",
        "Referer",
        "Origin",
        "X-API-Key",
        "X-Auth-Token",
        "X-Access-Token",
        "X-Request-Id",
        "X-Correlation-Id",
        "X-Requested-With",
        "X-CSRF-Token",
        "X-Custom",
        "X-Role",
        "X-User-Agent",
        "X-Client-Version",
        "X-Client-Id",
        "X-Tenant",
        "X-Device-Id",
        "X-Idempotency-Key",
        "DPoP",
        "Signature",
        "Traceparent",
        "Via",
        "CDN-Loop",
        "CF-Ray",
        "X-Amz-Date",
        "X-Amz-Content-Sha256",
        "X-Amzn-Trace-Id",
        "X-Goog-Api-Key",
        "X-Goog-Api-Client",
        "X-GitHub-Event",
        "X-Hub-Signature-256",
        "X-Cloud-Trace-Context",
        "X-B3-TraceId",
        "grpc-timeout",
        "api_key",
        "x_custom",
        "x.custom",
        "Forwards",
        "Proxies",
        "Real",
    ] {
        assert!(!is_claim(name.as_bytes()), "{name}");
    }
}

#[test]
fn strip_takes_claims_and_leaves_the_rest_in_order() {
    let mut fields = Fields::new();
    for (name, value) in
        [("b", "1"), ("X_Forwarded_User", "root"), ("a", "2"), ("x.portcullis.subject", "root"), ("B", "3")]
    {
        fields.push(name, value);
    }
    strip(&mut fields);
    let left: Vec<_> = fields.iter().map(|field| (field.name, field.value)).collect();
    assert_eq!(left, [(&b"b"[..], &b"1"[..]), (b"a", b"2"), (b"B", b"3")]);
}

#[test]
fn whoever_sets_a_field_can_remove_all_its_aliases() {
    let mut fields = Fields::new();
    for name in ["X-Role", "x_role", "X.ROLE", "x-roles"] {
        fields.push(name, "admin");
    }
    remove_aliases(&mut fields, "x-role");
    assert_eq!(fields.len(), 1);
    assert!(fields.has("x-roles"));
}
