"""Debian's glewlwyd as an OpenID provider in a folder of its own, told by its own administration what a test needs.

It says its port, and ends when its standard input does.
"""
import http.cookiejar
import json
import os
import signal
import socket
import sqlite3
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

SCHEMA = "/usr/share/dbconfig-common/data/glewlwyd/install/sqlite3"
CONFIG = """
port={port}
bind_address="127.0.0.1"
external_url="http://127.0.0.1:{port}"
login_url="login.html"
api_prefix="api"
log_mode="file"
log_level="WARNING"
log_file="{folder}/log"
cookie_secure=0
session_expiration=2419200
session_key="session"
admin_scope="g_admin"
profile_scope="g_profile"
user_module_path="/usr/lib/glewlwyd/user"
client_module_path="/usr/lib/glewlwyd/client"
user_auth_scheme_module_path="/usr/lib/glewlwyd/scheme"
plugin_module_path="/usr/lib/glewlwyd/plugin"
hash_algorithm="SHA512"
database = {{ type = "sqlite3"; path = "{folder}/db" }};
"""
RESOURCE = "https://orders.example.com"


def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def start(folder, port):
    """The server, once it answers; `None` when its port was taken before it listened."""
    with open(f"{folder}/config", "w") as file:
        file.write(CONFIG.format(folder=folder, port=port))
    server = subprocess.Popen(["glewlwyd", "--config-file", f"{folder}/config"], stdin=subprocess.DEVNULL, stdout=sys.stderr)
    while server.poll() is None:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
            return server
        except OSError:
            time.sleep(0.02)
    return None


class Administration:
    def __init__(self, port):
        jar = urllib.request.HTTPCookieProcessor(http.cookiejar.CookieJar())
        self.opener = urllib.request.build_opener(urllib.request.ProxyHandler({}), jar)
        self.base = f"http://127.0.0.1:{port}/api/"

    def post(self, path, body, method="POST"):
        request = urllib.request.Request(self.base + path, json.dumps(body).encode(), method=method)
        request.add_header("Content-Type", "application/json")
        try:
            with self.opener.open(request, timeout=20) as answer:
                return answer.read()
        except urllib.error.HTTPError as error:
            sys.exit(f"{method} {path}: {error.code} {error.read()}")


def configure(port):
    admin = Administration(port)
    admin.post("auth/", {"username": "admin", "password": "password"})
    key = ec.generate_private_key(ec.SECP256R1())
    private = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
    public = key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()
    for scope in ["read", "write"]:
        admin.post("scope", {"name": scope, "display_name": scope, "password_required": False, "scheme": {}})
    admin.post("mod/plugin", {
        "module": "oidc", "name": "oidc", "display_name": "OpenID Connect", "enabled": True,
        "parameters": {
            "iss": f"http://127.0.0.1:{port}/api/oidc", "subject-type": "public",
            "jwt-type": "ecdsa", "jwt-key-size": "256", "key": private, "cert": public, "jwks-show": True,
            "access-token-duration": 600, "refresh-token-duration": 3600, "code-duration": 60,
            "refresh-token-rolling": False, "allow-non-oidc": True,
            "auth-type-code-enabled": True, "auth-type-token-enabled": False, "auth-type-id-token-enabled": False,
            "auth-type-implicit-enabled": False, "auth-type-none-enabled": False, "auth-type-password-enabled": False,
            "auth-type-client-enabled": True, "auth-type-device-enabled": False, "auth-type-refresh-enabled": True,
            "scope": [], "additional-parameters": [], "claims": [], "allowed-scope": ["openid"],
            "pkce-allowed": True, "pkce-method-plain-allowed": False,
            "introspection-revocation-allowed": True, "introspection-revocation-allow-target-client": True,
            "introspection-revocation-auth-scope": [],
            "resource-allowed": True, "resource-scope": {"read": [RESOURCE], "write": [RESOURCE]},
            "resource-client-property": "", "resource-scope-and-client-property": False,
        },
    })
    admin.post("client", {
        "client_id": "app", "name": "app", "enabled": True, "confidential": True, "password": "app-secret",
        "redirect_uri": ["https://app.test/callback"], "authorization_type": ["code", "client_credentials"],
        "token_endpoint_auth_method": ["client_secret_basic"], "scope": ["read", "write"], "source": "database",
    })


def main():
    with tempfile.TemporaryDirectory() as folder:
        database = sqlite3.connect(f"{folder}/db")
        with open(SCHEMA) as schema:
            database.executescript(schema.read())
        database.close()
        for _ in range(5):
            port = free_port()
            if server := start(folder, port):
                break
        else:
            sys.exit("glewlwyd does not start")
        try:
            configure(port)
            print(port, flush=True)
            sys.stdin.read()
        finally:
            server.send_signal(signal.SIGTERM)
            server.wait()


main()
