"""Why Schemathesis and the gateway disagree about a request: a reason is given only where it is proven.

A good request that was refused is changed in the one thing that its reason names, and must pass then. What the document says
is changed by Overlays, at other paths of the same gateway (`READINGS`); what a request says is changed in the request. A bad
request that passed is read again from its bytes, by this file and with another validator: nothing bad must be left in it.
`conformance/schemathesis/README.md` explains each reason.
"""

import itertools
import json
import re
import unicodedata
from urllib.parse import parse_qsl, quote, unquote, unquote_to_bytes, urlsplit, urlunsplit

import jsonschema_rs
import requests

# Paths of the gateway at which the document says less, each less than the one before.
READINGS = ("as-written", "open", "formats", "discriminators", "uncovered")
# By what a problem's keywords say, what has to be said less, and why.
LESS = (
    ("closed", 1, {"additionalProperties", "unevaluatedProperties", "undeclared"}),
    ("format", 2, {"format"}),
    ("discriminator", 3, {"oneOf", "anyOf", "discriminator"}),
)
# OpenAPI 3.x, Parameter Object: a definition of a header parameter of these names SHALL be ignored.
IGNORED = ("accept", "content-type", "authorization")
STEPS_MAX = 8


class Answer:
    """What came back."""

    def __init__(self, response):
        kind = response.headers.get("content-type", "")
        problem = response.json() if kind.startswith("application/problem+json") else {}
        self.status, self.code = response.status_code, problem.get("code")
        self.errors = problem.get("errors", [])
        self.keywords = sorted({error["keyword"] for error in self.errors})
        self.passes = self.code is None

    def __str__(self):
        return "passed" if self.passes else " ".join([str(self.status), self.code, *self.keywords])


class Gateway:
    """The gateway, and how much it was asked."""

    def __init__(self, url):
        self.url, self.session, self.asked, self.passed = url, requests.Session(), 0, 0
        self.session.trust_env = False

    def base(self, name, reading=0):
        return f"{self.url}/{READINGS[reading]}/{name}"

    def ask(self, request, reading=0):
        request = request.copy()
        request.url = request.url.replace(f"/{READINGS[0]}/", f"/{READINGS[reading]}/", 1)
        answer = Answer(self.session.send(request, timeout=60, allow_redirects=False))
        self.asked += 1
        self.passed += answer.passes
        return answer


# Good requests that were refused.


def why_refused(gateway, definition, operation, case, request, answer):
    """Changes one thing after the other, until the request passes; none where it does not."""
    reasons, reading = [], 0
    for _ in range(STEPS_MAX):
        if answer.passes:
            return "+".join(reasons)
        reason, changed, reading = step(definition, operation, request, answer, reading)
        if reason is None or (changed is request and reason in reasons):
            return None
        if reason not in reasons:
            reasons.append(reason)
        if reason == "not-good":
            return "+".join(reasons)
        request, answer = changed, gateway.ask(changed, reading)
    return None


def step(definition, operation, request, answer, reading):
    """The next thing to change: why, the request, and at which reading of the document it is asked."""
    keywords = set(answer.keywords)
    for reason, changed in (
        ("path", clean_path(request) if answer.code == "malformed-request" else None),
        ("part-name", clean_parts(request) if answer.code == "body-malformed" else None),
        ("nul", clean_nul(request) if "encoding" in keywords else None),
        ("not-good", request if definition.refuses(operation, request, answer) else None),
        ("repeated", once(request, answer) if "repeated" in keywords else None),
        ("unwritable", without(request, answer) if keywords & {"style", "ambiguous"} else None),
    ):
        if changed is not None:
            return reason, changed, reading
    if answer.code == "not-enforceable" and reading < 4:
        return "uncovered", request, 4
    for reason, less, about in LESS:
        if keywords & about and reading < less:
            return reason, request, less
    return None, request, reading


def changed(request, path=None, query=None, body=None, drop=()):
    """A copy with something changed."""
    request = request.copy()
    parts = urlsplit(request.url)
    path = parts.path if path is None else path
    query = parts.query if query is None else query
    request.url = urlunsplit((parts.scheme, parts.netloc, path, query, ""))
    if body is not None:
        request.body = body
        request.headers["Content-Length"] = str(len(body))
    for name in drop:
        request.headers.pop(name, None)
    return request


def clean_path(request):
    """Without what no path may have in any spelling: controls, what separates, what a backend may fold into either."""

    def plain(character):
        is_odd = unicodedata.category(character) in ("Cc", "Cf") or character in "/\\%"
        return "" if is_odd or unicodedata.normalize("NFKC", character) != character else character

    def piece(written):
        return quote("".join(plain(c) for c in unquote(written, errors="replace")), safe="")

    def segment(written):
        # Delimiters of styles stay what they are, and data that looks like one stays data.
        cleaned = "".join(p if p in ",=.;" else piece(p) for p in re.split("([,=.;])", written))
        return cleaned if unquote(cleaned).strip(". ") else cleaned + "x"

    path = urlsplit(request.url).path
    first, *segments = path.split("/")
    cleaned = "/".join([first, *map(segment, segments)])
    return None if cleaned == path else changed(request, path=cleaned)


def clean_parts(request):
    """With letters for controls in the heads of parts, and for names that are empty."""
    boundary = boundary_of(request)
    if boundary is None:
        return None
    body = request.body if isinstance(request.body, bytes) else request.body.encode()
    pieces = body.split(b"--" + boundary)
    for at, piece in enumerate(pieces):
        head, mark, content = piece.partition(b"\r\n\r\n")
        if not mark:
            continue
        text = head.decode().replace('name=""', f'name="empty{at}"')
        lines = text.split("\r\n")
        lines = ["".join("c" if unicodedata.category(c) == "Cc" else c for c in line) for line in lines]
        pieces[at] = "\r\n".join(lines).encode() + mark + content
    cleaned = (b"--" + boundary).join(pieces)
    return None if cleaned == body else changed(request, body=cleaned)


def clean_nul(request):
    """Without NUL in the query."""
    query = urlsplit(request.url).query
    return changed(request, query=query.replace("%00", "")) if "%00" in query else None


def once(request, answer):
    """With each name once that was refused for being there more often."""
    if any(error["in"] == "body" for error in answer.errors if error["keyword"] == "repeated"):
        boundary = boundary_of(request)
        if boundary is not None:
            seen, kept = set(), []
            for piece in request.body.split(b"--" + boundary):
                name = re.search(rb'; name="([^"]*)"', piece.partition(b"\r\n\r\n")[0])
                if name is None or name[1] not in seen:
                    kept.append(piece)
                    seen.add(name and name[1])
            return changed(request, body=(b"--" + boundary).join(kept))
        body = request.body.encode() if isinstance(request.body, str) else request.body
        return changed(request, body=first_of_each(body.decode()).encode())
    return changed(request, query=first_of_each(urlsplit(request.url).query))


def first_of_each(pairs):
    """The pairs, each name once."""
    kept = {}
    for pair in pairs.split("&"):
        kept.setdefault(unquote_to_bytes(pair.split("=")[0].replace("+", " ")), pair)
    return "&".join(kept.values())


def without(request, answer):
    """Without the parameters whose style does not carry the value."""
    names = [error for error in answer.errors if error["keyword"] in ("style", "ambiguous")]
    query = urlsplit(request.url).query
    for error in names:
        if error["in"] == "query":
            kept = [p for p in query.split("&") if unquote(re.split("[[=]|%5B", p)[0]) != error["name"]]
            query = "&".join(kept)
    return changed(request, query=query, drop=[error["name"] for error in names if error["in"] == "header"])


def boundary_of(request):
    kind = request.headers.get("Content-Type", "")
    kind = kind.decode() if isinstance(kind, bytes) else kind
    return kind.split("boundary=")[1].encode() if kind.startswith("multipart/form-data") and "boundary=" in kind else None


# Bad requests that passed.


def why_passed(gateway, definition, operation, case, request, answer):
    """What is left of the badness in the bytes."""
    mutations = case.meta.phase.data.mutations
    if all(m.parameter_location == "header" and (m.parameter or "").lower() in IGNORED for m in mutations):
        return "ignored"
    is_of_body = all(m.parameter_location == "body" for m in mutations)
    if is_of_body and not request.body and not definition.body_of(operation)[1]:
        return "no-body"
    if definition.accepts(operation, request):
        return "good-in-bytes"
    return "integral" if definition.accepts(operation, request, jsonschema_rs.Draft202012Validator) else None


class Unread(Exception):
    """Something that this file does not read: nothing is proven."""


class Definition:
    """A definition, as far as simple requests can be judged by it."""

    def __init__(self, document):
        self.document = document
        old = not document.get("openapi", "2.0").startswith("3.1")
        self.validator = jsonschema_rs.Draft4Validator if old else jsonschema_rs.Draft202012Validator
        self.shared = {name: document[name] for name in ("components", "definitions") if name in document}

    def resolve(self, node):
        while isinstance(node, dict) and "$ref" in node:
            at = self.document
            for name in node["$ref"][2:].split("/"):
                at = at[unquote(name).replace("~1", "/").replace("~0", "~")]
            node = at
        return node

    def parameters(self, operation):
        item = self.document["paths"][operation.path]
        listed = item.get("parameters", []) + item[operation.method].get("parameters", [])
        return [self.resolve(parameter) for parameter in listed]

    def body_of(self, operation):
        """By media type its schema, and whether one has to be there."""
        said = self.resolve(self.document["paths"][operation.path][operation.method].get("requestBody", {}))
        content = {kind: media.get("schema", {}) for kind, media in said.get("content", {}).items()}
        required = said.get("required", False)
        fields = [p for p in self.parameters(operation) if p["in"] == "formData"]
        if fields:
            schema = {"type": "object", "properties": {p["name"]: self.schema_of(p) for p in fields}}
            schema["required"] = [p["name"] for p in fields if p.get("required")]
            kinds = ("multipart/form-data", "application/x-www-form-urlencoded")
            content, required = {kind: schema for kind in kinds}, bool(schema["required"])
            if not required:
                del schema["required"]
        for p in self.parameters(operation):
            if p["in"] == "body":
                content, required = {"application/json": p["schema"]}, p.get("required", False)
        return content, required

    def schema_of(self, parameter):
        """Of a parameter; those of 2.0 are schemas themselves, but for files."""
        if "schema" in parameter:
            return self.resolve(parameter["schema"])
        if parameter.get("type") == "file":
            return {"type": "string", "format": "binary"}
        names = ("type", "format", "items", "enum", "minimum", "maximum", "pattern", "minLength", "maxLength")
        return {name: parameter[name] for name in names if name in parameter}

    def is_valid(self, schema, value, validator=None):
        schema = self.resolve(schema)
        pattern = schema.get("pattern")
        if pattern is not None and isinstance(value, str):
            # `re` reads more of what JavaScript does than the validator's engine.
            schema = {name: value for name, value in schema.items() if name != "pattern"}
            if re.search(pattern, value) is None:
                return False
        try:
            judge = (validator or self.validator)({**self.shared, "allOf": [schema]}, validate_formats=True)
        except jsonschema_rs.ValidationError as error:
            raise Unread(str(error)) from error
        return judge.is_valid(value)

    def reads(self, schema, text):
        """Whether a text is a value of the schema, by one reading at least."""
        return next((value for value in readings(text) if self.is_valid(schema, value)), Unread) is not Unread

    def refuses(self, operation, request, answer):
        """Whether what the gateway says of a query is so: the text of a parameter does not match its pattern."""
        query = dict(parse_qsl(urlsplit(request.url).query, keep_blank_values=True))
        patterns = [error for error in answer.errors if error["keyword"] == "pattern" and error["in"] == "query"]
        if not patterns or answer.keywords != ["pattern"]:
            return False
        schemas = {p["name"]: self.schema_of(p) for p in self.parameters(operation) if p["in"] == "query"}
        return not any(re.search(schemas[error["name"]]["pattern"], query[error["name"]]) for error in patterns)

    def accepts(self, operation, request, validator=None):
        """Whether each part of a request is good as this file reads it from its bytes."""
        try:
            return self.parameters_hold(operation, request) and self.body_holds(operation, request, validator)
        except Unread:
            return False

    def parameters_hold(self, operation, request):
        parts = urlsplit(request.url)
        query = parse_qsl(parts.query, keep_blank_values=True, errors="strict")
        fields = {n.lower(): v.decode() if isinstance(v, bytes) else v for n, v in request.headers.items()}
        template = re.escape(operation.path).replace(r"\{", "{").replace(r"\}", "}")
        path = re.search(re.sub("{[^{}]+}", "([^/]+)", template) + "$", parts.path)
        if path is None:
            raise Unread(parts.path)
        segments = dict(zip(re.findall("{([^{}]+)}", operation.path), path.groups()))
        declared = set()
        for p in self.parameters(operation):
            name, where = p["name"], p["in"]
            declared.add((where, name))
            if where == "query":
                texts = [value for key, value in query if key == name]
            elif where == "header" and name.lower() not in IGNORED:
                texts = [fields[name.lower()]] if name.lower() in fields else []
            elif where == "path":
                texts = [unquote(segments[name], errors="strict")]
            elif where == "cookie" and "cookie" in fields:
                raise Unread(where)
            else:
                continue
            if not self.parameter_holds(p, texts):
                return False
        return all(("query", key) in declared for key, _ in query)

    def parameter_holds(self, p, texts):
        schema = self.schema_of(p)
        if not texts:
            return not p.get("required")
        if schema.get("type") == "array":
            delimiter = {"spaceDelimited": " ", "pipeDelimited": "|"}.get(p.get("style"), ",")
            by_default = p.get("style", "form") == "form" if "schema" in p else p.get("collectionFormat") == "multi"
            is_exploded = p["in"] == "query" and p.get("explode", by_default)
            if not is_exploded and len(texts) > 1:
                return False
            items = texts if is_exploded else texts[0].split(delimiter)
            return all(self.reads(schema.get("items", {}), item) for item in items)
        if schema.get("type") == "object":
            # Nothing at all is an object without members.
            return texts == [""] and self.is_valid(schema, {})
        return len(texts) == 1 and self.reads(schema, texts[0])

    def body_holds(self, operation, request, validator):
        content, required = self.body_of(operation)
        body = request.body.encode() if isinstance(request.body, str) else request.body or b""
        if not body:
            return not required
        kind = request.headers.get("Content-Type", "")
        kind = (kind.decode() if isinstance(kind, bytes) else kind).split(";")[0].strip()
        if kind not in content:
            raise Unread(kind)
        schema = self.resolve(content[kind])
        if kind == "application/json":
            return self.is_valid(schema, json.loads(body), validator)
        if kind == "application/x-www-form-urlencoded":
            return self.form_holds(schema, parse_qsl(body.decode(), keep_blank_values=True, errors="strict"))
        boundary = boundary_of(request)
        if boundary is None:
            raise Unread(kind)
        pairs = []
        for piece in body.split(b"--" + boundary)[1:-1]:
            head, _, content = piece.partition(b"\r\n\r\n")
            name = re.search(r'; name="([^"]*)"', head.decode())
            pairs.append((name[1], None if b"; filename=" in head else content[:-2].decode()))
        return self.form_holds(schema, pairs)

    def form_holds(self, schema, pairs):
        """Files are None, and good where bytes are declared."""
        grouped = {}
        for name, text in pairs:
            grouped.setdefault(name, []).append(text)
        value, properties = {}, schema.get("properties", {})
        for name, texts in grouped.items():
            if name not in properties:
                return False
            own = self.resolve(properties[name])
            is_list = own.get("type") == "array"
            item = self.resolve(own.get("items", {})) if is_list else own
            if not is_list and len(texts) > 1:
                return False
            for text in texts:
                if text is None and item.get("format") != "binary":
                    return False
            chosen = [[""] if text is None else [r for r in readings(text) if self.is_valid(item, r)] for text in texts]
            if not all(chosen):
                return False
            first = next(itertools.product(*chosen))
            value[name] = list(first) if is_list else first[0]
        return self.is_valid(schema, value)


def readings(text):
    """What a text may be: itself, and a number, true, false, null or JSON where it is spelt so."""
    yield text
    try:
        yield json.loads(text)
    except ValueError:
        pass
