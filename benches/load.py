"""What is sent: the requests of each case, the programs that send them, and the check that answers are right.

h2load, wrk and `bench-client`, a binary of testkit, send the next request when one was answered. `bench-client` loads
connections that are kept, for there it costs less than the proxies do and wrk more; and what the others cannot do: a TLS
connection for each request, a fixed rate. wrk has the uploads, and closed connections in cleartext.

Every request of a run asks for a target of its own (a running number in its query or path), so that nothing that
remembers a request can answer for it.
"""

import re
import socket
import ssl
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace

from servers import API_KEY, BODY_1K, OPERATIONS, output_of, which

FIELDS = {"Host": "localhost", "User-Agent": "bench/1.0", "Accept": "application/json",
          "Accept-Encoding": "identity", "X-Trace": "4bf92f3577b34da6a3ce929d0e0e4736"}


@dataclass(frozen=True)
class Case:
    """One kind of request. `target` is a Lua expression of the running number `n`."""
    name: str
    target: str
    status: int = 200
    body: bytes = BODY_1K.encode()  # of the answer; of a refusal it is not compared
    upload: int = 0
    content: str = ""  # what is uploaded, in which NNNN becomes a number; else so many bytes of one letter
    fields: dict = field(default_factory=dict)
    tls: bool = False
    h2: bool = False
    closes: bool = False  # whether the gateway closes the connection behind its answer
    kind: str = ""  # of load by bench-client, besides kept connections: new, resumed, rate
    rate: float = 0  # requests a second
    tokens: str = ""  # the file of `bench-client tokens` whose lines are presented, one after the other
    first: int = 0  # only so many of them
    source: str = ""  # the address that it comes from
    beside: "Case | None" = None  # what is sent at the same time

    def path(self, n):
        """The same target as Lua's, for a single request."""
        operation = f'" .. n % {OPERATIONS} .. "'
        return (self.target.replace(operation, str(n % OPERATIONS)).strip('"')
                .replace('" .. n .. "', str(n)).replace('" .. n', str(n)))

    def template(self):
        """The same target as bench-client's."""
        return (self.target.replace(f'" .. n % {OPERATIONS} .. "', f"{{n%{OPERATIONS}}}").strip('"')
                .replace('" .. n .. "', "{n}").replace('" .. n', "{n}"))

    def is_kept(self):
        """Whether its connections are kept and bring answers alone."""
        return not (self.upload or self.h2 or self.kind or self.closes or "Connection" in self.fields)

    def lines(self, folder):
        """The tokens that are presented."""
        lines = (folder / self.tokens).read_text().splitlines() if self.tokens else [""]
        return lines[:self.first or None]

    def given(self, server):
        """The file of them that the client reads."""
        path = server.folder / f"{server.name}-{self.tokens}.tokens"
        path.write_text("".join(f"{line}\n" for line in self.lines(server.folder)))
        return path

    def uploaded(self, n):
        """The same body as Lua's, for a single request."""
        return (self.content.replace("NNNN", f"{n:04}") or "x" * self.upload).encode()

    def head(self, path):
        fields = FIELDS | self.fields | ({"Authorization": "Bearer {token}"} if self.tokens else {})
        fields |= {"Content-Length": str(self.upload)} if self.upload else {}
        lines = "".join(f"{name}: {value}\r\n" for name, value in fields.items())
        return f"{'POST' if self.upload else 'GET'} {path} HTTP/1.1\r\n{lines}\r\n"


K1, K64, M1 = BODY_1K.encode(), b"y" * 65536, b"z" * (1 << 20)
PLAIN = Case("plain", '"/plain/1k?n=" .. n')
CLOSED = Case("plain, connection closed", '"/plain/1k?n=" .. n', fields={"Connection": "close"})
GET_64K = Case("GET 64 KiB", '"/plain/64k?n=" .. n', body=K64)
GET_1M = Case("GET 1 MiB", '"/plain/1m?n=" .. n', body=M1)
POST_64K = Case("POST 64 KiB", '"/plain/post?n=" .. n', upload=65536, fields={"Content-Type": "application/json"})
KEYED = Case("API key", f'"/keyed/resource" .. n % {OPERATIONS} .. "/" .. n', fields={"X-API-Key": API_KEY})
NO_KEY = Case("no key", f'"/keyed/resource" .. n % {OPERATIONS} .. "/" .. n', status=401)
UNKNOWN = Case("unknown", '"/unknown/" .. n', status=404)
AMBIGUOUS = Case("ambiguous", '"/plain/%2e%2e/" .. n', status=400, closes=True)
TLS = Case("TLS", '"/plain/1k?n=" .. n', tls=True)
H2 = Case("h2", '"/plain/1k?n=" .. n', tls=True, h2=True)
NEW = replace(CLOSED, name="new TLS connection", tls=True, kind="new")
RESUMED = replace(CLOSED, name="resumed TLS connection", tls=True, kind="resumed")
FIXED = replace(PLAIN, name="fixed rate", kind="rate")
# As many tokens as a busy service has callers; and more than are remembered, so that each is verified each time.
ES256 = Case("ES256", '"/es/1k?n=" .. n', tokens="es256", first=1000)
ES256_COLD = Case("ES256, none known", '"/es/1k?n=" .. n', tokens="es256")
RS256_COLD = Case("RS256, none known", '"/rs/1k?n=" .. n', tokens="rs256")
MANY_KEYS = Case("one of 100,000 keys", '"/many/1k?n=" .. n', fields={"X-API-Key": API_KEY})
WRONG_KEY = Case("wrong key", f'"/keyed/resource" .. n % {OPERATIONS} .. "/" .. n', status=401,
                 fields={"X-API-Key": API_KEY[::-1]})
EXPIRED = Case("expired token", '"/es/1k?n=" .. n', status=401, tokens="expired")
STRANGER = Case("token of an unknown key", '"/es/1k?n=" .. n', status=401, tokens="stranger")
FORGED = Case("forged token", '"/es/1k?n=" .. n', status=401, tokens="forged")
# The same requests with the contract and without: the operations of conf/contract.yaml.
ORDER = ('{"id":"order-NNNN","placed":"2026-11-29T08:15:30Z","paid":true,"note":"leave it at the door, please","state":"open","lines":['
         '{"sku":"AB-1234","count":3,"price":12.50},{"sku":"CD-56789","count":1,"price":199},'
         '{"sku":"EF-0001","count":25,"price":0.99}]}')


def orders(count):
    return f'{{"orders":[{",".join([ORDER] * count)}]}}'


def contract(name, base, target, content="", **others):
    fields = {"Content-Type": "application/json"} if content else {"X-Tenant": "acme-07"}
    return Case(name, f'"/{base}{target}', upload=len(content), content=content, fields=fields, **others)


FIVE = '/things/" .. n .. "?limit=20&sort=-created&tags=red,green,blue"'
WRONG_PARAMETER = contract("a wrong parameter", "contract", '/things/" .. n .. "?limit=many"', status=400)
FIVE_PARAMETERS, FIVE_UNJUDGED = contract("five parameters", "contract", FIVE), contract("the same, not judged", "open", FIVE)
JSON_1K, JSON_1K_UNJUDGED = (contract("1 KiB of JSON", base, '/orders"', orders(4)) for base in ("contract", "open"))
JSON_27K, JSON_27K_UNJUDGED = (contract("27 KiB of JSON", base, '/orders"', orders(108)) for base in ("contract", "open"))

# At a fixed rate, with ten times as many forged ones beside.
GOOD = replace(ES256, name="good tokens", kind="rate", rate=300)
BESIDE = replace(GOOD, name="good tokens beside forged ones", beside=replace(
    FORGED, name="forged tokens", kind="rate", rate=3000, source="127.0.0.2", body=b""))


def exchange(server, request, tls=False, alpn="http/1.1"):
    """One request over a connection of its own: status, fields as one text, body."""
    if not tls:
        stream = socket.create_connection(("127.0.0.1", server.port), 5)
    else:
        context = ssl.create_default_context(cafile=str(server.folder / "tls.crt"))
        context.set_alpn_protocols([alpn])
        stream = socket.create_connection(("127.0.0.1", server.tls_port), 5)
        stream = handshake(server, context, stream)
        if alpn != "http/1.1":
            chosen = stream.selected_alpn_protocol()
            stream.close()
            return chosen
    with stream:
        stream.sendall(request)
        return read_answer(stream)


def handshake(server, context, stream):
    try:
        return context.wrap_socket(stream, server_hostname="localhost")
    except ssl.SSLError as error:
        raise RuntimeError(f"{server.name} has a certificate but does not speak TLS: {error.reason}") from error


def read_answer(stream):
    data = b""
    while b"\r\n\r\n" not in data:
        data += more(stream)
    head, _, body = data.partition(b"\r\n\r\n")
    head = head.decode("latin-1")
    length = int(re.search(r"(?i)^content-length: *(\d+)", head, re.M).group(1))
    while len(body) < length:
        body += more(stream)
    return int(head.split()[1]), head, body


def more(stream):
    got = stream.recv(1 << 20)
    if not got:
        raise RuntimeError("the connection ended within an answer")
    return got


def verify(server, case):
    """Raises unless the server answers the case right, and forwards it with the work that all are to do."""
    if case.h2:
        chosen = exchange(server, b"", tls=True, alpn="h2")
        if chosen != "h2":
            raise RuntimeError(f"{server.name} does not choose h2 by ALPN")
        return
    tokens = case.lines(server.folder)
    for n in range(3):
        request = case.head(case.path(n)).replace("{token}", tokens[n % len(tokens)]).encode() + case.uploaded(n)
        status, _, body = exchange(server, request, case.tls)
        if status != case.status or (status == 200 and body != case.body):
            raise RuntimeError(f"{server.name} answers {case.name} with {status} and {len(body)} bytes: {body[:200]!r}")
    if case.status == 200:
        _, _, seen = exchange(server, case.head("/plain/seen?n=77").replace("{token}", tokens[0]).encode().replace(b"POST", b"GET", 1)
                              .replace(f"Content-Length: {case.upload}\r\n".encode(), b""), case.tls)
        if seen.split()[:2] != [b"127.0.0.1", b"n=77"] or b"close" in seen:
            raise RuntimeError(f"{server.name} forwards otherwise than agreed: {seen!r}")


def lua(server, case):
    """wrk's script: the requests, and a line of figures at the end. Uploads rotate among a few ready-made ones."""
    head, _, tail = case.head("\0").partition("\0")
    quote = lambda text: '"' + text.replace("\r\n", "\\r\\n") + '"'
    body = f'string.rep("x", {case.upload})'
    if case.content:
        body = f"string.gsub([[{case.content}]], 'NNNN', string.format('%04d', n))"
    ready = f"for n = 0, 15 do ready[n] = {quote(head)} .. {case.target} .. tail .. {body} end" if case.upload else ""
    give = "ready[n % 16]" if case.upload else f"{quote(head)} .. {case.target} .. tail"
    tokens = ""
    if case.tokens:
        between, _, after = tail.partition("{token}")
        tokens = f'local tokens = {{}}\nfor line in io.lines("{case.given(server)}") do tokens[#tokens + 1] = line end'
        give = f"{quote(head)} .. {case.target} .. {quote(between)} .. tokens[n % #tokens + 1] .. {quote(after)}"
    path = server.folder / f"{server.name}.lua"
    path.write_text(f"""local n, tail, ready = 0, {quote(tail)}, {{}}
{tokens}
{ready}
request = function() n = n + 1; return {give} end
done = function(s, l)
  local e = s.errors
  print(string.format("FIGURES %d %d %d %d %d %d %d", s.requests, s.bytes, s.duration, e.status,
    e.connect + e.read + e.write + e.timeout, l:percentile(50), l:percentile(99)))
end
""")
    return str(path)


def wrk(server, case, seconds, connections):
    scheme, host, port = ("https", "localhost", server.tls_port) if case.tls else ("http", "127.0.0.1", server.port)
    said = output_of([which("wrk"), "-t1", f"-c{connections}", f"-d{seconds}s", "-s", lua(server, case),
                      f"{scheme}://{host}:{port}"], server)
    found = re.search(r"^FIGURES (.*)$", said, re.M)
    if not found:
        raise RuntimeError(f"wrk: {said}")
    requests, received, duration, bad_status, broken, p50, p99 = map(int, found.group(1).split())
    refused = requests if case.status >= 400 else 0
    least = len(case.body) * requests if case.status == 200 else 0
    wrong = abs(bad_status - refused) + broken + (1 if received < least or requests == 0 else 0)
    return {"requests": requests, "wrong": wrong, "rps": requests / max(duration, 1) * 1e6, "p50": p50, "p99": p99}


def h2load(server, case, seconds, connections):
    urls = server.folder / "urls"
    urls.write_text("".join(f"https://localhost:{server.tls_port}{case.path(n)}\n" for n in range(2000)))
    fields = [f"-H{name}: {value}" for name, value in FIELDS.items() if name not in ("Host",)]
    said = output_of([which("h2load"), "-t1", f"-c{max(1, connections // 4)}", "-m16", "-w20", "-W24", "--warm-up-time=0",
                      f"-D{seconds}", f"-i{urls}", f"--connect-to=127.0.0.1:{server.tls_port}", *fields], server)
    found = re.search(r"(\d+) done, (\d+) succeeded, (\d+) failed", said)
    if not found:
        raise RuntimeError(f"h2load: {said}")
    done, good, failed = map(int, found.groups())
    return {"requests": done, "wrong": done - good + failed, "rps": done / seconds, "p50": 0, "p99": 0}


def bench_client(server, case, seconds, connections):
    """Its own load: what is resumed or not although it should, or late beyond measure, it counts as wrong itself."""
    port = server.tls_port if case.tls else server.port
    tokens, certificates = [str(case.given(server))] if case.tokens else [], [str(server.folder / "tls.crt")] if case.tls else []
    if case.is_kept():
        more = [str(connections), str(case.status), *(tokens or ["-"]), *certificates]
    elif case.tls:
        more = [str(max(1, connections // 4)), *certificates]
    else:
        more = [str(connections * 2), str(case.rate), *tokens, *filter(None, [case.source])]
    body = case.body if case.status == 200 or not case.is_kept() else b""
    given = case.head(case.template()).encode() + b"\0" + body
    kind = case.kind or "closed"
    said = output_of([server.client, kind, f"127.0.0.1:{port}", str(seconds), *more], server, given)
    found = re.search(r"^FIGURES (.*)$", said, re.M)
    if not found:
        raise RuntimeError(f"bench-client: {said}")
    requests, wrong, resumed, took, p50, p99 = map(int, found.group(1).split())
    figures = {"requests": requests, "wrong": wrong, "rps": requests / max(took, 1) * 1e6, "p50": p50, "p99": p99}
    return figures | ({"resumed": resumed} if case.kind else {})


def send(server, case, seconds, connections):
    """Loads a server for a while: completed requests, wrong answers, rate, latency in µs, and its CPU µs per request."""
    before, began = server.cpu_ns(), time.monotonic()
    program = h2load if case.h2 else bench_client if case.kind or case.is_kept() else wrk
    if case.beside:
        with ThreadPoolExecutor() as pool:
            beside = pool.submit(bench_client, server, case.beside, seconds, connections)
            figures = program(server, case, seconds, connections)
            other = beside.result()
        figures["wrong"] += other["wrong"] + (other["requests"] < 9 * figures["requests"])
    else:
        figures = program(server, case, seconds, connections)
    used, wall = server.cpu_ns() - before, time.monotonic() - began
    return figures | {"cost": used / 1000 / max(figures["requests"], 1), "busy": used / 1e9 / wall}


def idle(server, connections, wait, tls):
    """KiB a connection holds that served one request `wait` seconds ago and is kept open."""
    request = PLAIN.head(PLAIN.path(0)).encode()
    exchange(server, request, tls)
    context = ssl.create_default_context(cafile=str(server.folder / "tls.crt"))
    before, kept = server.rss_kib(), []
    for _ in range(connections):
        stream = socket.create_connection(("127.0.0.1", server.tls_port if tls else server.port), 5)
        if tls:
            stream = handshake(server, context, stream)
        kept.append(stream)
        stream.sendall(request)
        read_answer(stream)
    time.sleep(wait)
    after = server.rss_kib()
    for stream in kept:
        stream.close()
    return (after - before) / connections
