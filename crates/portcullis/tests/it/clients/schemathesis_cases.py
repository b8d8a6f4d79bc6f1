"""Makes requests from definitions, good and bad ones, and asks a gateway about each.

    schemathesis_cases.py URL NAME=FILE=EXAMPLES...

Schemathesis reads a definition by itself: what it holds for good must pass, what it holds for bad must not. Each class of
disagreement is one line of JSON with the bytes of its first request, how many there were, and why it is one as far as
`schemathesis_reasons.py` can prove it (null where it cannot). The last line is a tally. The same seed makes the same
requests: nothing is taken from the clock, from a database of earlier runs, or from this file.
"""

import json
import sys
import unicodedata
import warnings

warnings.filterwarnings("ignore")

import hypothesis.internal.conjecture.providers as providers
import requests
import schemathesis
import schemathesis.transport.requests
import urllib3.filepost
from hypothesis import HealthCheck, Phase, given, seed, settings
from schemathesis.generation import GenerationMode

from schemathesis_reasons import Definition, Gateway, why_passed, why_refused

SEED = 20261129
MODES = (GenerationMode.POSITIVE, GenerationMode.NEGATIVE)
# What `requests` adds to every request.
ADDED = {"User-Agent", "Accept-Encoding", "Connection: keep-alive", "Accept: */*"}

# Hypothesis would mix literals of this very file into what it makes, and a boundary is random: both would change the requests.
providers._get_local_constants = lambda none=providers._local_constants: none
for module in (urllib3.filepost, schemathesis.transport.requests):
    assert callable(module.choose_boundary)
    module.choose_boundary = lambda: "boundary-of-a-case"


def cases(operation, mode, examples):
    """The requests of one operation, as Schemathesis makes them."""
    made = []

    @seed(SEED)
    @settings(
        max_examples=examples,
        database=None,
        deadline=None,
        derandomize=False,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(operation.as_strategy(generation_mode=mode))
    def make(case):
        made.append(case)

    make()
    return made


def prepared(session, case, base):
    """The request that a case is, as `requests` writes it."""
    arguments = case.as_transport_kwargs(base_url=base)
    arguments["headers"] = {
        name: value
        for name, value in dict(arguments.get("headers") or {}).items()
        if not name.lower().startswith("x-schemathesis") and name.lower() != "accept-encoding"
    }
    request = requests.Request(
        **{name: arguments.get(name) for name in ("method", "url", "params", "headers", "data", "json", "files", "cookies")}
    )
    return session.prepare_request(request)


def written(request):
    """The bytes of a request, each as the character of its number."""
    lines = [f"{request.method} {request.path_url} HTTP/1.1"]
    for name, value in request.headers.items():
        value = value.decode("latin-1") if isinstance(value, bytes) else value.encode().decode("latin-1")
        if name not in ADDED and f"{name}: {value}" not in ADDED:
            lines.append(f"{name}: {value}")
    body = request.body or b""
    body = body.encode() if isinstance(body, str) else body
    return "\r\n".join(lines) + "\r\n\r\n" + body.decode("latin-1")


def is_good(case):
    """Whether Schemathesis itself says that nothing is wrong with it: asked for bad cases, it makes some that are not."""
    return not any(component.mode.is_negative for component in case.meta.components.values())


def ask(gateway, name, path, examples, tally):
    """All requests of one definition; what disagrees, by class."""
    config = schemathesis.Config.from_dict({"generation": {"with-security-parameters": False}})
    schema = schemathesis.openapi.from_path(path, config=config)
    with open(path) as file:
        definition = Definition(json.load(file))
    found = {}
    for result in schema.get_all_operations():
        operation = result.ok()
        for mode in MODES:
            try:
                made = cases(operation, mode, examples)
            except Exception as error:
                # There is nothing bad that could be said to an operation without parameters, for one.
                if not type(error).__name__.startswith("Unsatisfiable"):
                    raise
                tally["not_made"] += 1
                continue
            for case in made:
                try:
                    request = prepared(gateway.session, case, gateway.base(name))
                except (requests.exceptions.InvalidHeader, UnicodeError):
                    # What cannot be said in HTTP at all.
                    tally["not_sent"] += 1
                    continue
                answer = gateway.ask(request)
                good = is_good(case)
                tally["good" if good else "bad"] += 1
                if answer.passes == good:
                    continue
                reason = (why_refused if good else why_passed)(gateway, definition, operation, case, request, answer)
                about = {"definition": name, "operation": operation.label, "made": "good" if good else "bad"}
                about.update(answer=str(answer), reason=reason)
                kind = json.dumps(about)
                entry = found.setdefault(kind, {**about, "times": 0, "request": written(request)})
                entry["times"] += 1
    return found.values()


def main(url, definitions):
    tally = {"good": 0, "bad": 0, "not_made": 0, "not_sent": 0}
    gateway = Gateway(url)
    for given_definition in definitions:
        name, path, examples = given_definition.split("=")
        for entry in ask(gateway, name, path, int(examples), tally):
            print(json.dumps(entry))
    tally["python"] = f"{sys.version_info.major}.{sys.version_info.minor} with Unicode {unicodedata.unidata_version}"
    tally["asked"] = gateway.asked
    tally["passed"] = gateway.passed
    print(json.dumps({"tally": tally}))


main(sys.argv[1], sys.argv[2:])
