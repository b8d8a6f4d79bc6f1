"""grpcio without generated code: `serve FOLDER` is the backend, `ask CLEAR TLS CA` calls it through the gateway."""
import concurrent.futures
import pathlib
import queue
import sys
import threading

import grpc

SERVICES = ["clear.Echo", "tls.Echo"]
BINARY = bytes(range(256))
CANCELLED = threading.Semaphore(0)


def unary(request, context):
    told = dict(context.invocation_metadata())
    context.send_initial_metadata([("x-first", "1"), ("x-first-bin", told.get("x-call-bin", b""))])
    context.set_trailing_metadata([("x-last", told.get("x-call", "")), ("x-last-bin", told.get("x-call-bin", b""))])
    return request


def down(request, context):
    for number in range(int(request)):
        yield b"%d" % number


def up(requests, context):
    return b"%d" % sum(len(request) for request in requests)


def both(requests, context):
    for request in requests:
        yield b"re: " + request


def fail(request, context):
    context.set_trailing_metadata([("x-why-bin", BINARY)])
    context.abort(grpc.StatusCode.FAILED_PRECONDITION, "nicht so: \u00e9 100%")


def fail_late(request, context):
    yield b"one"
    context.abort(grpc.StatusCode.DATA_LOSS, "half")


def hang(request, context):
    context.add_callback(CANCELLED.release)
    yield b"begun"
    while context.is_active():
        threading.Event().wait(0.02)


def cancelled(request, context):
    return b"yes" if CANCELLED.acquire(timeout=10) else b"no"


def serve(folder):
    methods = {
        "Unary": grpc.unary_unary_rpc_method_handler(unary),
        "Down": grpc.unary_stream_rpc_method_handler(down),
        "Up": grpc.stream_unary_rpc_method_handler(up),
        "Both": grpc.stream_stream_rpc_method_handler(both),
        "Fail": grpc.unary_unary_rpc_method_handler(fail),
        "FailLate": grpc.unary_stream_rpc_method_handler(fail_late),
        "Hang": grpc.unary_stream_rpc_method_handler(hang),
        "Cancelled": grpc.unary_unary_rpc_method_handler(cancelled),
    }
    server = grpc.server(concurrent.futures.ThreadPoolExecutor(16))
    for service in SERVICES:
        server.add_generic_rpc_handlers([grpc.method_handlers_generic_handler(service, methods)])
    pair = [((folder / "server.key").read_bytes(), (folder / "server.crt").read_bytes())]
    clear = server.add_insecure_port("127.0.0.1:0")
    tls = server.add_secure_port("127.0.0.1:0", grpc.ssl_server_credentials(pair))
    server.start()
    print(clear, tls, flush=True)
    sys.stdin.read()


def ask(channel, service):
    def method(kind, name):
        return getattr(channel, kind)(f"/{service}/{name}")

    call_unary = method("unary_unary", "Unary")
    metadata = [("x-call", "told"), ("x-call-bin", BINARY)]
    answer, call = call_unary.with_call(b"hello", metadata=metadata, timeout=20)
    assert answer == b"hello" and call.code() is grpc.StatusCode.OK
    first, last = dict(call.initial_metadata()), dict(call.trailing_metadata())
    assert (first["x-first"], first["x-first-bin"]) == ("1", BINARY), first
    assert (last["x-last"], last["x-last-bin"]) == ("told", BINARY), last
    for size in [0, 1, 16_384, 65_535, 3_000_000]:
        assert call_unary(b"z" * size, timeout=20) == b"z" * size, size

    assert list(method("unary_stream", "Down")(b"1000", timeout=20)) == [b"%d" % n for n in range(1000)]
    assert list(method("unary_stream", "Down")(b"0", timeout=20)) == []
    assert method("stream_unary", "Up")((b"x" * n for n in range(1000)), timeout=20) == b"499500"

    # Each message is answered before the next is sent: neither direction waits for the other's end.
    words = queue.SimpleQueue()
    answers = method("stream_stream", "Both")(iter(words.get, None), timeout=20)
    for number in range(20):
        words.put(b"%d" % number)
        assert next(answers) == b"re: %d" % number
    words.put(None)
    assert list(answers) == [] and answers.code() is grpc.StatusCode.OK

    failure = error(lambda: method("unary_unary", "Fail")(b"", timeout=20))
    assert failure.code() is grpc.StatusCode.FAILED_PRECONDITION, failure
    assert failure.details() == "nicht so: \u00e9 100%", failure
    assert dict(failure.trailing_metadata())["x-why-bin"] == BINARY
    late = method("unary_stream", "FailLate")(b"", timeout=20)
    assert next(late) == b"one"
    assert error(lambda: next(late)).code() is grpc.StatusCode.DATA_LOSS
    unknown = error(lambda: method("unary_unary", "Nothing")(b"", timeout=20))
    assert unknown.code() is grpc.StatusCode.UNIMPLEMENTED, unknown

    # A deadline and a cancellation end the call here and at the backend.
    hang, was_cancelled = method("unary_stream", "Hang"), method("unary_unary", "Cancelled")
    call = hang(b"", timeout=0.5)
    assert next(call) == b"begun"
    assert error(lambda: next(call)).code() is grpc.StatusCode.DEADLINE_EXCEEDED
    assert was_cancelled(b"", timeout=20) == b"yes"
    call = hang(b"", timeout=20)
    assert next(call) == b"begun"
    call.cancel()
    assert was_cancelled(b"", timeout=20) == b"yes"


def error(act):
    try:
        answer = act()
    except grpc.RpcError as failure:
        return failure
    raise AssertionError(f"{answer!r} in place of a failure")


def main():
    if sys.argv[1] == "serve":
        return serve(pathlib.Path(sys.argv[2]))
    clear, tls, ca = sys.argv[2:]
    credentials = grpc.ssl_channel_credentials(pathlib.Path(ca).read_bytes())
    options = [("grpc.enable_http_proxy", 0)]
    for service in SERVICES:
        with grpc.insecure_channel(f"localhost:{clear}", options=options) as channel:
            ask(channel, service)
        with grpc.secure_channel(f"localhost:{tls}", credentials, options=options) as channel:
            ask(channel, service)


main()
