"""A backend that verifies tokens as any library does: PyJWT, with the published key set.

It keeps to Cache-Control and to nothing else: a set is kept for as long as it may be, and not fetched again for a key that is not
in it. Says one line for each token that it reads: its claims, or what is wrong with it.
"""

import json
import re
import sys
import time
import urllib.request

import jwt

url, issuer, audience, algorithm = sys.argv[1:]
fetched, kept, keys = 0.0, 0.0, {}
for line in sys.stdin:
    now = time.monotonic()
    if now - fetched >= kept:
        with urllib.request.urlopen(url, timeout=20) as answer:
            assert answer.headers["Content-Type"] == "application/jwk-set+json"
            said = re.fullmatch(r"public, max-age=(\d+)|no-cache", answer.headers["Cache-Control"])
            kept = float(said[1] or 0)
            keys = {key.key_id: key for key in jwt.PyJWKSet.from_json(answer.read().decode()).keys}
        # From before it was asked for, as caches count (RFC 9111 section 4.2.3).
        fetched = now
    try:
        token = line.strip()
        header = jwt.get_unverified_header(token)
        assert header["typ"] == "at+jwt", header
        required = ["iss", "sub", "aud", "exp", "iat", "jti", "client_id"]
        key = keys[header["kid"]]
        options = {"require": required}
        # A busy machine takes its time; a clock that is behind is let pass by every library, too.
        claims = jwt.decode(token, key, [algorithm], options, issuer=issuer, audience=audience, leeway=10)
        print(json.dumps({"kid": header["kid"], "claims": claims}), flush=True)
    except Exception as error:
        print(json.dumps({"wrong": repr(error)}), flush=True)
