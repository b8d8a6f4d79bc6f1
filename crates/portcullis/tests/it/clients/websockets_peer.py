"""Python's `websockets`: `serve` echoes and obeys, `ask URL CA` talks to it through the gateway."""
import asyncio
import ssl
import sys

from websockets.asyncio.client import connect
from websockets.asyncio.server import serve
from websockets.exceptions import ConnectionClosed

MIB = 1024 * 1024


async def echo(socket):
    try:
        async for message in socket:
            if message == "close":
                await socket.close(4001, "as you wish")
            elif message == "ping":
                await (await socket.ping(b"from the server"))
                await socket.send("pong")
            elif message == "pieces":
                await socket.send(iter(["first ", "second ", "third"]))
            else:
                await socket.send(message)
    except ConnectionClosed:
        pass
    LAST.append((socket.close_code, socket.close_reason))


LAST = [(None, None)]


async def last(socket):
    while LAST[-1][0] != 4002:
        await asyncio.sleep(0.01)
    await socket.send(repr(LAST[-1]))


async def route(socket):
    await (last(socket) if socket.request.path.endswith("?last") else echo(socket))


async def run_server():
    async with serve(route, "127.0.0.1", 0, max_size=4 * MIB, compression="deflate") as server:
        print(server.sockets[0].getsockname()[1], flush=True)
        # Ends with whoever started it.
        await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)


async def ask(url, ca):
    tls = ssl.create_default_context(cafile=ca) if url.startswith("wss") else None
    for compression in [None, "deflate"]:
        options = {"ssl": tls, "proxy": None, "compression": compression, "max_size": 4 * MIB}
        async with connect(url, **options) as socket:
            # Both ends agree on compression through the gateway, or on none.
            assert bool(socket.protocol.extensions) == bool(compression), socket.protocol.extensions
            large = bytes(range(256)) * 4096
            for message in ["caf\u00e9", "", b"", b"\x00\xff" * 70, "x" * 65_535, "y" * 65_536, large]:
                await socket.send(message)
                assert await socket.recv() == message
            await socket.send(["one ", "message ", "in pieces"])
            assert await socket.recv() == "one message in pieces"
            await socket.send("pieces")
            pieces = [piece async for piece in socket.recv_streaming()]
            assert "".join(pieces) == "first second third" and len(pieces) >= 3, pieces
            await (await socket.ping(b"from the client"))
            await socket.send("ping")
            assert await socket.recv() == "pong"
            for number in range(200):
                await socket.send(str(number))
            assert [await socket.recv() for _ in range(200)] == [str(number) for number in range(200)]
            await socket.send("close")
            try:
                raise AssertionError(await socket.recv())
            except ConnectionClosed:
                assert (socket.close_code, socket.close_reason) == (4001, "as you wish")
    socket = await connect(url, ssl=tls, proxy=None)
    await socket.close(4002, "enough")
    assert socket.close_code == 4002, socket.close_code
    async with connect(f"{url}?last", ssl=tls, proxy=None) as socket:
        assert await socket.recv() == "(4002, 'enough')"


if sys.argv[1] == "serve":
    asyncio.run(run_server())
else:
    asyncio.run(asyncio.wait_for(ask(*sys.argv[2:]), 30))
