"""Python's `requests` against the gateway: BASE is its URL, CA the file of the authority that vouches for it."""
import sys

import requests

BASE, CA = sys.argv[1:]


def pieces(count):
    for number in range(count):
        yield bytes([number % 251]) * 10_000


with requests.Session() as session:
    session.trust_env = False
    session.verify = CA

    # One connection serves them all: the pool opened no second one.
    for number in range(10):
        assert session.get(f"{BASE}/again/{number}").text == f"GET /again/{number}\n"
    pools = session.get_adapter(BASE).poolmanager.pools
    assert [pools[key].num_connections for key in pools.keys()] == [1]

    assert session.post(f"{BASE}/json", json={"name": "caf\u00e9"}).status_code == 200

    answer = session.get(f"{BASE}/cookies")
    assert answer.raw.headers.getlist("set-cookie") == ["a=1; Path=/", "b=2; Path=/"], answer.headers
    assert session.cookies.get_dict() == {"a": "1", "b": "2"}, session.cookies
    assert answer.headers["x-a"].encode("latin-1").decode() == "caf\u00e9", answer.headers

    assert session.put(f"{BASE}/stream", data=pieces(400)).status_code == 200

    with session.get(f"{BASE}/large", stream=True) as answer:
        assert sum(len(piece) for piece in answer.iter_content(65_536)) == 5_000_000

    with session.get(f"{BASE}/pieces", stream=True) as answer:
        stream = answer.iter_content(None)
        assert next(stream) == b"first"
        assert session.get(f"{BASE}/go-on").status_code == 204
        assert b"".join(stream) == b"second"

    refused = session.get(f"{BASE}/admin")
    assert refused.status_code == 401, refused.status_code
    assert refused.headers["content-type"] == "application/problem+json", refused.headers
    assert refused.json()["status"] == 401
