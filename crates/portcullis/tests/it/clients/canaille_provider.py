"""canaille as an OpenID provider at which everybody is alice: `METHODS ALGORITHM REDIRECT-URI`.

METHODS are those of PKCE that it knows, with commas between, or `-` for its own; ALGORITHM is that of our ID tokens, also
where it is `none`, which canaille announces and has no key for. It says its port, and ends when its standard input does.
"""
import datetime
import logging
import sys
import threading
import warnings

from canaille import create_app
from canaille.app import models
from canaille.app.session import UserSession
from canaille.backends import Backend
from canaille.oidc import provider
from flask import g
from werkzeug.serving import make_server

# What goes wrong is said; that a test's keys are a test's keys is not.
logging.disable(logging.ERROR - 1)
warnings.simplefilter("ignore")
methods, algorithm, redirect_uri = sys.argv[1:]
if methods != "-":
    provider.CodeChallenge.SUPPORTED_CODE_CHALLENGE_METHOD = methods.split(",")
if algorithm == "none":
    usual = provider._get_signing_key
    provider._get_signing_key = lambda client: (usual(client)[0], "none")

server = make_server("127.0.0.1", 0, lambda environ, start: app(environ, start), threaded=True)
app = create_app({
    "SECRET_KEY": "of a test",
    "SERVER_NAME": f"127.0.0.1:{server.port}",
    "PREFERRED_URL_SCHEME": "http",
    "CANAILLE": {"DATABASE": "memory", "FORCE_HTTPS": False, "LOGGING": None},
    "CANAILLE_OIDC": {},
})
with app.app_context():
    now = datetime.datetime.now(datetime.timezone.utc)
    alice = models.User(formatted_name="Alice", family_name="Alice", user_name="alice", emails=["alice@example.com"])
    Backend.instance.save(alice)
    client = models.Client(
        client_id="gw", client_name="gateway", client_secret="secret", client_id_issued_at=now,
        client_uri="http://127.0.0.1/", redirect_uris=[redirect_uri], token_endpoint_auth_method="client_secret_basic",
        grant_types=["authorization_code", "refresh_token"], response_types=["code"], scope=["openid", "email"],
        id_token_signed_response_alg=algorithm,
    )
    Backend.instance.save(client)
    client.audience = [client]
    Backend.instance.save(client)


def everybody_is_alice():
    g.session = UserSession(
        user=Backend.instance.get(models.User, user_name="alice"),
        last_login_datetime=datetime.datetime.now(datetime.timezone.utc),
        authentication_methods=["password"],
    )


app.before_request_funcs.setdefault(None, []).insert(0, everybody_is_alice)
threading.Thread(target=server.serve_forever, daemon=True).start()
print(server.port, flush=True)
sys.stdin.read()
