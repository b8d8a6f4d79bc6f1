"""Makes requests from a definition, good and bad ones, and asks a gateway about each.

    schemathesis_cases.py DEFINITION URL EXAMPLES

Schemathesis reads the definition by itself: what it holds for good must pass, what it holds for bad must not. Every
disagreement is one line of JSON with the request as it was sent; the last line is a tally. The same seed makes the same requests.
"""

import base64
import json
import sys
import warnings

warnings.filterwarnings("ignore")

import requests
import schemathesis
from hypothesis import HealthCheck, Phase, given, seed, settings
from schemathesis.generation import GenerationMode

SEED = 20261129
MODES = (GenerationMode.POSITIVE, GenerationMode.NEGATIVE)


def cases(operation, mode, examples):
    """The requests of one operation, as Schemathesis makes them."""
    made = []

    @seed(SEED)
    @settings(
        max_examples=examples,
        database=None,
        deadline=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(operation.as_strategy(generation_mode=mode))
    def make(case):
        made.append(case)

    make()
    return made


def sent(session, case, url):
    """Sends a request; tells its bytes, and the status and problem it gets."""
    arguments = case.as_transport_kwargs(base_url=url)
    arguments["headers"] = {
        name: value
        for name, value in dict(arguments.get("headers") or {}).items()
        if not name.lower().startswith("x-schemathesis") and name.lower() != "accept-encoding"
    }
    request = requests.Request(
        **{name: arguments.get(name) for name in ("method", "url", "params", "headers", "data", "json", "files", "cookies")}
    )
    prepared = session.prepare_request(request)
    answer = session.send(prepared, timeout=60)
    body = prepared.body or b""
    if isinstance(body, str):
        body = body.encode()
    kind = answer.headers.get("content-type", "")
    problem = answer.json() if kind.startswith("application/problem+json") else {}
    told = {
        "line": f"{prepared.method} {prepared.path_url}",
        "fields": {
            name: value
            for name, value in prepared.headers.items()
            if name.lower() not in ("user-agent", "accept", "connection", "accept-encoding")
        },
        "body": base64.b64encode(body).decode(),
        "status": answer.status_code,
        "code": problem.get("code"),
        "errors": problem.get("errors", []),
    }
    return told


def main(path, url, examples):
    schema = schemathesis.openapi.from_path(path)
    session = requests.Session()
    session.trust_env = False
    tally = {"positive": 0, "negative": 0, "not_made": 0, "not_sent": 0}
    for result in schema.get_all_operations():
        try:
            operation = result.ok()
        except Exception:
            tally["not_made"] += 1
            continue
        for mode in MODES:
            try:
                made = cases(operation, mode, examples)
            except Exception:
                # There is nothing bad that could be said to an operation without parameters, for one.
                tally["not_made"] += 1
                continue
            for case in made:
                try:
                    told = sent(session, case, url)
                except (requests.exceptions.InvalidHeader, requests.exceptions.InvalidURL, UnicodeError, ValueError):
                    # What cannot be said in HTTP at all.
                    tally["not_sent"] += 1
                    continue
                tally[mode.value] += 1
                passes = told["code"] is None
                if passes != (mode is GenerationMode.POSITIVE):
                    print(json.dumps({"operation": operation.label, "mode": mode.value, **told}, sort_keys=True))
    print(json.dumps({"tally": tally}))


main(sys.argv[1], sys.argv[2], int(sys.argv[3]))
