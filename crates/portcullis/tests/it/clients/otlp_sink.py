"""A collector of traces that decodes with OpenTelemetry's own messages, and misbehaves by path.

Says its port in its first line; then a JSON line for each message it was sent. With CERT and KEY it speaks TLS.
"""
import ssl
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from json import dumps

from google.protobuf.unknown_fields import UnknownFieldSet
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)

SEEN = {}
LOCK = threading.Lock()


def value(any_value):
    return getattr(any_value, any_value.WhichOneof("value"))


def attributes(pairs):
    assert len({pair.key for pair in pairs}) == len(pairs), pairs
    return {pair.key: value(pair.value) for pair in pairs}


def told(span):
    return {
        "trace": span.trace_id.hex(),
        "span": span.span_id.hex(),
        "parent": span.parent_span_id.hex(),
        "name": span.name,
        "kind": span.kind,
        "start": span.start_time_unix_nano,
        "end": span.end_time_unix_nano,
        "flags": span.flags,
        "status": span.status.code,
        "attributes": attributes(span.attributes),
        "links": [{"trace": link.trace_id.hex(), "span": link.span_id.hex()} for link in span.links],
    }


class Sink(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self):
        body = self.rfile.read(int(self.headers["content-length"]))
        mode = self.path.split("/")[1]
        with LOCK:
            SEEN[mode] = SEEN.get(mode, 0) + 1
            turn = SEEN[mode]
        request = ExportTraceServiceRequest.FromString(body)
        assert not unknown(request), request
        line = {
            "mode": mode, "turn": turn, "at": time.time(), "path": self.path, "bytes": len(body),
            "headers": {name.lower(): text for name, text in self.headers.items()}, "spans": [],
        }
        for resource in request.resource_spans:
            line["resource"] = attributes(resource.resource.attributes)
            for scope in resource.scope_spans:
                line["scope"] = scope.scope.name
                line["schema"] = scope.schema_url
                line["spans"] += [told(span) for span in scope.spans]
        print(dumps(line), flush=True)
        self.reply(mode, turn, len(line["spans"]))

    def reply(self, mode, turn, spans):
        answer = ExportTraceServiceResponse()
        if mode == "busy" and turn <= 2:
            return self.send(503, b"", [("Retry-After", "1")] if turn == 1 else [])
        if mode == "slow":
            time.sleep(20)
        if mode == "garbage":
            return self.send(200, b"<html>welcome</html>")
        if mode == "refuse":
            return self.send(400, b"no")
        if mode == "redirect":
            return self.send(307, b"", [("Location", f"http://127.0.0.1:{self.server.server_port}/v1/traces")])
        if mode == "endless":
            return self.send(200, b"\x0a" * (1 << 20))
        if mode == "partial":
            answer.partial_success.rejected_spans = 1
            answer.partial_success.error_message = "one too many"
        self.send(200, answer.SerializeToString())

    def send(self, status, body, headers=()):
        self.send_response(status)
        for name, text in headers:
            self.send_header(name, text)
        self.send_header("Content-Type", "application/x-protobuf")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        try:
            self.wfile.write(body)
        except OSError:
            pass

    def log_message(self, *_):
        pass


def unknown(message):
    """Whether the decoder met a field that the messages do not have."""
    if len(UnknownFieldSet(message)):
        return True
    for field, inner in message.ListFields():
        if field.message_type:
            if any(unknown(one) for one in (inner if field.is_repeated else [inner])):
                return True
    return False


server = ThreadingHTTPServer(("127.0.0.1", 0), Sink)
server.daemon_threads = True
if len(sys.argv) > 2:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(sys.argv[1], sys.argv[2])
    server.socket = context.wrap_socket(server.socket, server_side=True)
print(server.server_port, flush=True)
threading.Thread(target=server.serve_forever, daemon=True).start()
# Ends with whoever started it.
sys.stdin.read()
