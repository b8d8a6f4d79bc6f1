"""A crowd of connections from several addresses, each of which wants something for a long time; and who serves them.

`crowd.py serve` answers: it says its port. `crowd.py WANTS PORT COUNT` connects COUNT times and keeps as many going:
`idle` asks once and stays, `head` and `body` say a byte a second, `read` takes some bytes of a large answer a second. It
says `ready` once all have begun, `cut` once as many have been cut, and at the end (of its standard input) what came of them.
"""
import resource
import selectors
import socket
import sys
import time

LARGE = 8 << 20
PIECE = b"x" * 65536
HARD = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
resource.setrlimit(resource.RLIMIT_NOFILE, (HARD, HARD))
selector = selectors.DefaultSelector()


def serve():
    listener = socket.create_server(("127.0.0.1", 0), backlog=4096)
    listener.setblocking(False)
    print(listener.getsockname()[1], flush=True)
    selector.register(listener, selectors.EVENT_READ, None)
    selector.register(sys.stdin, selectors.EVENT_READ, "end")
    while True:
        for key, events in selector.select():
            if key.data == "end":
                return
            if key.data is None:
                accept(listener)
            else:
                try:
                    answer(key.fileobj, key.data, events)
                except OSError:
                    selector.unregister(key.fileobj)
                    key.fileobj.close()


def accept(listener):
    while True:
        try:
            connection, _ = listener.accept()
        except OSError:
            return
        connection.setblocking(False)
        selector.register(connection, selectors.EVENT_READ, {"said": b"", "left": 0})


def answer(connection, state, events):
    if events & selectors.EVENT_READ:
        piece = connection.recv(65536)
        if not piece:
            raise ConnectionResetError
        state["said"] = (state["said"] + piece)[-65536:]
        if state["said"].startswith(b"POST"):
            return  # A body that never ends is read and forgotten.
        while b"\r\n\r\n" in state["said"]:
            head, state["said"] = state["said"].split(b"\r\n\r\n", 1)
            length = LARGE if b" /large" in head else 2
            connection.send(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % length + (b"ok" if length == 2 else b""))
            state["left"] = length if length == LARGE else 0
    if state["left"]:
        try:
            while state["left"]:
                state["left"] -= connection.send(PIECE[:state["left"]])
        except BlockingIOError:
            pass
        both = selectors.EVENT_READ | selectors.EVENT_WRITE
        selector.modify(connection, both if state["left"] else selectors.EVENT_READ, state)


FIRST = {
    "idle": b"GET /kept HTTP/1.1\r\nHost: gw.test\r\n\r\n",
    "head": b"GET /slow HTTP/1.1\r\nHost: gw.test\r\nX-Slow: ",
    "body": b"POST /slow HTTP/1.1\r\nHost: gw.test\r\nContent-Length: 1000000\r\n\r\n",
    "read": b"GET /large HTTP/1.1\r\nHost: gw.test\r\n\r\n",
}


class Crowd:
    def __init__(self, wants, port, count):
        self.wants, self.port, self.count = wants, port, count
        self.begun = self.answered = self.ended = self.refused = 0
        self.statuses = {}
        self.open = set()
        self.is_ready = False

    def connect(self):
        connection = socket.socket()
        if self.wants == "read":
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        connection.bind((f"127.0.0.{2 + self.begun % 8}", 0))
        self.begun += 1
        try:
            connection.connect(("127.0.0.1", self.port))
            connection.sendall(FIRST[self.wants])
        except OSError:
            self.refused += 1
            connection.close()
            return
        connection.setblocking(False)
        self.open.add(connection)
        # A slow reader looks when its second has come, not when there is something.
        if self.wants != "read":
            selector.register(connection, selectors.EVENT_READ, connection)

    def end(self, connection):
        if self.wants != "read":
            selector.unregister(connection)
        self.open.discard(connection)
        connection.close()
        self.ended += 1
        if self.ended == self.count:
            print("cut", flush=True)

    def hear(self, connection, most):
        try:
            said = connection.recv(most)
        except BlockingIOError:
            return
        except OSError:
            return self.end(connection)
        if not said:
            return self.end(connection)
        if said.startswith(b"HTTP/1.1 "):
            status = said[9:12].decode()
            self.statuses[status] = self.statuses.get(status, 0) + 1

    def each_second(self):
        for connection in list(self.open):
            if self.wants == "read":
                self.hear(connection, 256)
            elif self.wants in ("head", "body"):
                try:
                    connection.send(b"a")
                except BlockingIOError:
                    pass
                except OSError:
                    self.end(connection)

    def run(self):
        selector.register(sys.stdin, selectors.EVENT_READ, None)
        due = time.monotonic() + 1
        while True:
            # Some at a time, so that those who have begun are heard meanwhile.
            for _ in range(min(200, self.count - len(self.open))):
                self.connect()
            if not self.is_ready and self.all_begun():
                self.is_ready = True
                print("ready", flush=True)
            for key, _ in selector.select(max(0, min(0.05, due - time.monotonic()))):
                if key.data is None:
                    return
                self.hear(key.data, 65536)
            if time.monotonic() >= due:
                self.each_second()
                due += 1

    def all_begun(self):
        wanted = self.statuses.get("200", 0) if self.wants == "idle" else len(self.open)
        return wanted >= self.count


if sys.argv[1] == "serve":
    serve()
else:
    crowd = Crowd(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))
    crowd.run()
    print(f"open {len(crowd.open)} begun {crowd.begun} ended {crowd.ended} refused {crowd.refused} "
          f"statuses {sorted(crowd.statuses.items())}", flush=True)
