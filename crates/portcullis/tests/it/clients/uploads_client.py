"""Forms and compressed bodies as Python's `requests` writes them: BASE is the API's URL."""
import gzip
import json
import sys
import zlib

import requests

(BASE,) = sys.argv[1:]
THING = {"name": "tea", "count": 2}
FILE = bytes(range(256)) * 1000


def status(**arguments):
    return session.post(f"{BASE}/things", **arguments).status_code


with requests.Session() as session:
    session.trust_env = False
    thing = ("thing.json", json.dumps(THING), "application/json")
    assert status(data={"name": "tea"}, files={"file": ("caf\u00e9 (1).bin", FILE)}) == 200
    assert status(files={"name": (None, "tea"), "thing": thing, "file": FILE}) == 200
    assert status(files={"name": (None, "tea"), "other": (None, "x")}) == 422
    assert status(files={"name": ("tea.txt", "tea")}) == 422, "a file in the place of a text"
    assert status(files={"name": (None, "tea"), "file": ("../../etc/passwd", FILE)}) == 400
    assert status(data={"name": "tea", "count": "2"}) == 200
    assert status(data={"name": "tea", "count": "two"}) == 422
    assert status(json=THING) == 200
    assert status(json=dict(THING, count="two")) == 422
    body, json_type = json.dumps(THING).encode(), {"Content-Type": "application/json"}
    assert status(data=gzip.compress(body), headers=dict(json_type, **{"Content-Encoding": "gzip"})) == 200
    assert status(data=zlib.compress(body), headers=dict(json_type, **{"Content-Encoding": "deflate"})) == 200
    assert status(data=zlib.compress(b"{}"), headers=dict(json_type, **{"Content-Encoding": "deflate"})) == 422
    assert status(data=body, headers=dict(json_type, **{"Content-Encoding": "gzip"})) == 400
