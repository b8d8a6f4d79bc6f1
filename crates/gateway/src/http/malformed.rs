//! Why a request has no canonical form.
//!
//! One list: variant, slug, status, sentence. The slug goes into metrics and records, the sentence into the log
//! and, as nothing in it repeats the request, to the caller. All of them end the connection: a sender whose
//! message has two readings is not asked for a second one.

use std::fmt;

use http::StatusCode;

macro_rules! malformed {
    ($($variant:ident $slug:literal $status:ident $sentence:literal;)*) => {
        /// Why a request was refused before anything else looked at it.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum Malformed {
            $(#[doc = concat!("Refused: ", $sentence, ".")] $variant,)*
        }

        impl Malformed {
            /// Every reason, in the order of the list.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)*];

            /// The reason as metrics and records name it.
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $slug,)* }
            }

            /// The status of the reply.
            pub fn status(self) -> StatusCode {
                match self { $(Self::$variant => StatusCode::$status,)* }
            }
        }

        impl fmt::Display for Malformed {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(match self { $(Self::$variant => $sentence,)* })
            }
        }
    };
}

malformed! {
    // RFC 9110 §9.1 allows any token; one that differs from a known method in case alone is read as that method
    // by some backends and as an unknown one by others.
    Method "method" BAD_REQUEST "the method is no token, or a known method in the wrong case";
    // RFC 9110 §9.3.6, §9.3.8, §15.6.2: not supported for any resource.
    MethodUnsupported "method-unsupported" NOT_IMPLEMENTED "CONNECT and TRACE never pass";

    TargetForm "target-form" BAD_REQUEST "the request target has no form that the method allows";
    TargetScheme "target-scheme" BAD_REQUEST "the scheme of the request target is not that of the connection";
    TargetAuthority "target-authority" BAD_REQUEST "the authority of the request target differs from the host field";
    TargetFragment "target-fragment" BAD_REQUEST "the request target has a fragment";

    HostMissing "host-missing" BAD_REQUEST "there is no host field";
    HostRepeated "host-repeated" BAD_REQUEST "there is more than one host";
    HostName "host-name" BAD_REQUEST "the host is no name of letters, digits, hyphens and single dots";
    HostUserinfo "host-userinfo" BAD_REQUEST "the host carries user information";
    HostAddress "host-address" BAD_REQUEST "the host is an address in a spelling that is read in several ways";
    HostPort "host-port" BAD_REQUEST "the port is no number from 1 to 65535 without leading zeros";

    PathCharacter "path-character" BAD_REQUEST "the path has a character that no path may have";
    PathEscape "path-escape" BAD_REQUEST "the path has a percent sign without two hexadecimal digits";
    PathEncodedTwice "path-encoded-twice" BAD_REQUEST "the path is percent-encoded more than once";
    PathControl "path-control" BAD_REQUEST "the path has an escaped control character";
    PathSeparator "path-separator" BAD_REQUEST "a path segment has a separator, escaped or by another spelling";
    PathDotSegment "path-dot-segment" BAD_REQUEST "a path segment is a dot segment, plain or by another spelling";
    PathEmptySegment "path-empty-segment" BAD_REQUEST "the path has an empty segment";
    PathParameter "path-parameter" BAD_REQUEST "a path segment has parameters";
    PathNotUtf8 "path-not-utf8" BAD_REQUEST "the unescaped path is not UTF-8";

    QueryCharacter "query-character" BAD_REQUEST "the query has a character outside visible ASCII";
    QueryEscape "query-escape" BAD_REQUEST "the query has a percent sign without two hexadecimal digits";

    FieldSpace "field-space" BAD_REQUEST "a field value begins or ends with white space";
    FieldRepeated "field-repeated" BAD_REQUEST "a field that stands alone is repeated";
    FieldAlias "field-alias" BAD_REQUEST "two fields have one name once hyphen, underscore and dot are alike";
    FieldSpelling "field-spelling" BAD_REQUEST "a field name has an underscore or a dot";
    ConnectionOption "connection-option" BAD_REQUEST "the connection field is no short list of tokens";
    ConnectionNamesField "connection-names-field" BAD_REQUEST "the connection field names a field that is not of the connection";
    ConnectionOnHttp2 "connection-on-http2" BAD_REQUEST "a field of the connection on HTTP/2";

    Expectation "expectation" EXPECTATION_FAILED "the only expectation that can be met is 100-continue, once";
    WebSocketHandshake "websocket-handshake" BAD_REQUEST "the WebSocket handshake lacks a field or has an invalid one";
    WebSocketVersion "websocket-version" UPGRADE_REQUIRED "the WebSocket version is not 13";

    MaxForwards "max-forwards" BAD_REQUEST "the max-forwards field is no number";

    ForwardedChain "forwarded-chain" BAD_REQUEST "a trusted proxy sent a chain of addresses that cannot be read";
    ForwardedProto "forwarded-proto" BAD_REQUEST "a trusted proxy sent a scheme that cannot be read";
}

impl Malformed {
    /// Fields that the reply must carry so that an honest client can do better.
    pub fn reply_fields(self) -> &'static [(&'static str, &'static str)] {
        match self {
            // RFC 6455 §4.4: the versions the server speaks. RFC 9110 §15.5.22 asks for Upgrade, which the wire
            // may not write outside an upgrade; clients read the version.
            Self::WebSocketVersion => &[("sec-websocket-version", "13")],
            _ => &[],
        }
    }
}

impl std::error::Error for Malformed {}
