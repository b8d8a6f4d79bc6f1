"""A service of Envoy's `envoy.service.auth.v3.Authorization` by grpcio: decides by the path, and says what it was asked.

Its messages are declared here by the numbers that the protocol gives them. `ext_authz.py FOLDER` listens twice, in cleartext and
over TLS with `server.crt` and `server.key` of the folder, and says both ports.
"""
import concurrent.futures
import json
import pathlib
import sys
import threading

import grpc
from google.protobuf import descriptor_pb2, descriptor_pool, json_format, message_factory

TEXT, NUMBER, INT64, UINT32, FLAG, BYTES, MESSAGE = 9, 5, 3, 13, 8, 12, 11
# name: [(number, field, type, of, repeated)]
MESSAGES = {
    "SocketAddress": [(1, "protocol", NUMBER), (2, "address", TEXT), (3, "port_value", UINT32)],
    "Address": [(1, "socket_address", "SocketAddress")],
    "Entry": [(1, "key", TEXT), (2, "value", TEXT)],
    "Peer": [(1, "address", "Address"), (2, "service", TEXT), (4, "principal", TEXT), (5, "certificate", TEXT)],
    "Timestamp": [(1, "seconds", INT64), (2, "nanos", NUMBER)],
    "HttpRequest": [
        (1, "id", TEXT), (2, "method", TEXT), (3, "headers", "Entry*"), (4, "path", TEXT), (5, "host", TEXT),
        (6, "scheme", TEXT), (7, "query", TEXT), (8, "fragment", TEXT), (9, "size", INT64), (10, "protocol", TEXT),
        (11, "body", TEXT), (12, "raw_body", BYTES),
    ],
    "Request": [(1, "time", "Timestamp"), (2, "http", "HttpRequest")],
    "TLSSession": [(1, "sni", TEXT)],
    "AttributeContext": [
        (1, "source", "Peer"), (2, "destination", "Peer"), (4, "request", "Request"),
        (10, "context_extensions", "Entry*"), (12, "tls_session", "TLSSession"),
    ],
    "CheckRequest": [(1, "attributes", "AttributeContext")],
    "Status": [(1, "code", NUMBER), (2, "message", TEXT)],
    "BoolValue": [(1, "value", FLAG)],
    "HeaderValue": [(1, "key", TEXT), (2, "value", TEXT), (3, "raw_value", BYTES)],
    "HeaderValueOption": [
        (1, "header", "HeaderValue"), (2, "append", "BoolValue"), (3, "append_action", NUMBER), (4, "keep_empty_value", FLAG),
    ],
    "HttpStatus": [(1, "code", NUMBER)],
    "DeniedHttpResponse": [(1, "status", "HttpStatus"), (2, "headers", "HeaderValueOption*"), (3, "body", TEXT)],
    "QueryParameter": [(1, "key", TEXT), (2, "value", TEXT)],
    "Struct": [(1, "fields", "Entry*")],
    "OkHttpResponse": [
        (2, "headers", "HeaderValueOption*"), (3, "dynamic_metadata", "Struct"), (5, "headers_to_remove", "text*"),
        (6, "response_headers_to_add", "HeaderValueOption*"), (7, "query_parameters_to_set", "QueryParameter*"),
        (8, "query_parameters_to_remove", "text*"),
    ],
    "CheckResponse": [
        (1, "status", "Status"), (2, "denied_response", "DeniedHttpResponse"), (3, "ok_response", "OkHttpResponse"),
        (4, "dynamic_metadata", "Struct"), (5, "error_response", "DeniedHttpResponse"),
    ],
}


def declare():
    file = descriptor_pb2.FileDescriptorProto(name="ext_authz.proto", package="test", syntax="proto3")
    for name, fields in MESSAGES.items():
        message = file.message_type.add(name=name)
        for number, field, kind in fields:
            repeated = isinstance(kind, str) and kind.endswith("*")
            own = message.field.add(name=field, number=number, label=3 if repeated else 1)
            kind = kind.rstrip("*") if isinstance(kind, str) else kind
            if kind == "text":
                own.type = TEXT
            elif isinstance(kind, str):
                own.type, own.type_name = MESSAGE, f".test.{kind}"
            else:
                own.type = kind
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return {name: message_factory.GetMessageClass(pool.FindMessageTypeByName(f"test.{name}")) for name in MESSAGES}


KINDS = declare()
RELEASED = threading.Event()


def option(key, value, **more):
    if isinstance(value, bytes):
        return {"header": {"key": key, "raw_value": value}, **more}
    return {"header": {"key": key, "value": value}, **more}


def ok(**allowed):
    return {"status": {"code": 0}, "ok_response": allowed}


def no(code=7, **denied):
    return {"status": {"code": code}, "denied_response": denied}


ANSWERS = {
    "ok": {"status": {}},
    "ok-alone": {"ok_response": {}},
    "told": ok(
        headers=[
            option("X-User", "zoe"), option("x-user", "ann"), option("x-groups", "a"),
            option("x-groups", "b", append={"value": True}), option("x-groups", "c", append_action=1),
        ],
        headers_to_remove=["x-drop", "Authorization"],
        response_headers_to_add=[option("x-answered", "yes"), option("set-cookie", b"__Host-portcullis-session-x=evil")],
        dynamic_metadata={"fields": [{"key": "a", "value": "b"}]},
    ),
    "denied": no(),
    "denied-alone": {"status": {"code": 16}},
    "denied-so": no(
        status={"code": 401}, body="not you",
        headers=[option("WWW-Authenticate", "Bearer"), option("x-why", "policy"), option("x-other", "no"), option("content-type", "text/plain")],
    ),
    "denied-503": no(status={"code": 503}, body="closed"),
    "denied-login": no(status={"code": 302}, headers=[option("location", "https://login.test/")]),
    # What is no answer, though there is one.
    "empty": {},
    "both": {"status": {}, "ok_response": {}, "denied_response": {}},
    "crossed": {"status": {"code": 0}, "denied_response": {}},
    "denied-200": no(status={"code": 200}),
    "unnamed": ok(headers=[option("x-other", "no")]),
    "host": ok(headers=[option("host", "evil")]),
    "pseudo": ok(headers=[option(":path", "/admin")]),
    "nameless": ok(headers=[option("", "x")]),
    "line": ok(headers=[option("x-user", "a\r\nx-admin: 1")]),
    "nul": ok(headers=[option("x-user", b"a\0b")]),
    "two-values": ok(headers=[{"header": {"key": "x-user", "value": "a", "raw_value": b"b"}}]),
    "overwrite": ok(headers=[option("x-user", "a", append_action=3)]),
    "query": ok(query_parameters_to_set=[{"key": "a", "value": "b"}]),
    "query-less": ok(query_parameters_to_remove=["a"]),
    "content": ok(headers_to_remove=["content-type"]),
    "unnamed-answer": ok(response_headers_to_add=[option("x-other", "no")]),
    "much": ok(headers=[option("x-user", "a" * 9000), option("x-groups", "a" * 9000)]),
    "many": ok(headers=[option("x-user", "a")] * 101),
    "large": no(body="a" * 70_000),
    # What is none.
    "error": {"status": {"code": 7}, "error_response": {}},
}
BYTES_SAID = {"garbage": b"\xff\xff\xff", "cut": b"\x0a\x05a", "typed": b"\x08\x01", "twice": b"\x0a\x00\x0a\x00"}
ABORTS = {
    "unavailable": grpc.StatusCode.UNAVAILABLE,
    "internal": grpc.StatusCode.INTERNAL,
    "call-denied": grpc.StatusCode.PERMISSION_DENIED,
    "call-stranger": grpc.StatusCode.UNAUTHENTICATED,
}


def check(data, context):
    request = KINDS["CheckRequest"].FromString(data)
    asked = json_format.MessageToDict(request, preserving_proto_field_name=True, always_print_fields_with_no_presence=True)
    asked["metadata"] = {key: value for key, value in context.invocation_metadata() if isinstance(value, str)}
    asked["remaining"] = context.time_remaining()
    print(json.dumps(asked), flush=True)
    name = request.attributes.request.http.path.split("?")[0].rsplit("/", 1)[-1]
    if name == "slow":
        RELEASED.wait(30)
    if name in ABORTS:
        context.abort(ABORTS[name], "as it was told")
    if name in BYTES_SAID:
        return BYTES_SAID[name]
    answer = KINDS["CheckResponse"](**ANSWERS.get(name, ANSWERS["ok"]))
    return answer.SerializeToString()


def main():
    folder = pathlib.Path(sys.argv[1])
    server = grpc.server(concurrent.futures.ThreadPoolExecutor(16))
    handler = grpc.unary_unary_rpc_method_handler(check)
    service = grpc.method_handlers_generic_handler("envoy.service.auth.v3.Authorization", {"Check": handler})
    server.add_generic_rpc_handlers([service])
    clear = server.add_insecure_port("127.0.0.1:0")
    pair = [((folder / "server.key").read_bytes(), (folder / "server.crt").read_bytes())]
    tls = server.add_secure_port("127.0.0.1:0", grpc.ssl_server_credentials(pair))
    server.start()
    print(clear, tls, flush=True)
    sys.stdin.read()
    RELEASED.set()
    server.stop(None)


main()
