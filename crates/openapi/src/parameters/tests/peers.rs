//! What users of other validators reported about parameters and forms: here it holds.

use super::page::{is_same, read_as};
use super::table::Row;

/// Where it was reported, the place, what is written, the schema, the request, what it has to be.
type Case = (&'static str, &'static str, &'static str, &'static str, &'static str, &'static str);

const FILTER: &str = "{type: object, properties: {status: {type: string}, size: {type: integer}}}";
const DEEP: &str = "{type: object, properties: {id: {type: array, items: {type: integer}}, \
                    by: {type: object, additionalProperties: {type: object, properties: {gt: {type: integer}}}}}}";

const CASES: &[Case] = &[
    // Objects in style form.
    (
        "express-openapi-validator 1064",
        "query",
        "explode: false",
        FILTER,
        "color=status,new,size,3",
        r#"{"status":"new","size":3}"#,
    ),
    (
        "express-openapi-validator 917",
        "query",
        "explode: true",
        FILTER,
        "status=new&size=3",
        r#"{"status":"new","size":3}"#,
    ),
    ("wiretap 91", "query", "explode: true", FILTER, "size=3", r#"{"size":3}"#),
    ("membrane 2155", "query", "style: form, explode: true", FILTER, "size=x", "400 type"),
    // Deep objects.
    ("express-openapi-validator 743", "query", "style: deepObject", DEEP, "color[id]=1", r#"{"id":[1]}"#),
    (
        "openapi_first 395",
        "query",
        "style: deepObject",
        DEEP,
        "color[id][]=1&color[id][]=2",
        r#"{"id":[1,2]}"#,
    ),
    ("wiretap 82", "query", "style: deepObject", DEEP, "color[by][a][gt]=2", r#"{"by":{"a":{"gt":2}}}"#),
    ("kin-openapi 1223a0f2", "query", "style: deepObject", DEEP, "color[id][50000000]=1", "400 style"),
    (
        "kin-openapi, value and parts",
        "query",
        "style: deepObject",
        DEEP,
        "color[by][a]=1&color[by][a][gt]=2",
        "400 style",
    ),
    (
        "kin-openapi, unread depth",
        "query",
        "style: deepObject",
        DEEP,
        "color[by][a][x]=1",
        "400 additionalProperties",
    ),
    // Delimiters that are data.
    (
        "OpenAPI 3.2, \"Delimiters in Parameter Values\"",
        "query",
        "explode: false",
        "{type: array, items: {type: string}}",
        "color=a%2Cb,c",
        r#"["a,b","c"]"#,
    ),
    // Forms.
    ("prism 2591", "form", "", "{type: string}", "a.b=1&c[d]=2", r#"{"a.b":"1","c[d]":"2"}"#),
    ("kin-openapi 1110", "form", "", "{type: array, items: {type: integer}}", "x=1", r#"{"x":"1"}"#),
    ("kin-openapi 1228", "form", "", "{type: string}", "color=", r#"{"color":""}"#),
];

#[test]
fn what_users_of_other_validators_reported_holds() {
    for (reported, place, written, schema, request, expected) in CASES {
        let text = |text: &str| text.to_owned();
        let row = Row {
            line: 0,
            place: text(place),
            written: text(written),
            kind: text(reported),
            request: text(request),
            expected: text(expected),
        };
        let found = read_as(&row, schema);
        assert!(is_same(&found, &row.expected), "{reported}: {request}: {found}, not {expected}");
    }
}
