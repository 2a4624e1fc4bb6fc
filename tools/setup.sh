#!/bin/sh
# Makes .venv and fills it from a hashed lock: setup.sh run|dev
# uv is used where it is on the PATH, plain pip where not. Debian packages come through apt where
# root and apt are there; else one sentence names what is missing and what runs without it.
set -eu
cd "$(dirname "$0")/.."
kind=${1:-run}
python=${PYTHON:-python3}
say() { printf 'setup: %s\n' "$*" >&2; }

can_apt() { [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null 2>&1; }
apt_updated=no
apt_install() {
    if [ "$apt_updated" = no ]; then apt-get update -qq >/dev/null 2>&1 || true; apt_updated=yes; fi
    DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "$@" >/dev/null 2>&1
}
# want COMMAND PACKAGE WHY: makes sure that a command is there; says so when it can't.
want() {
    command -v "$1" >/dev/null 2>&1 && return 0
    [ -x "/usr/sbin/$1" ] && return 0
    if can_apt; then
        say "installing $2 ($3)"
        apt_install "$2" && return 0
    fi
    say "$2 is missing: $3. Install it with 'sudo apt install $2'; all else works without it."
}

command -v "$python" >/dev/null 2>&1 || { say "Python 3.11 or newer is missing: install python3."; exit 1; }
"$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' || {
    say "Python 3.11 or newer is needed; $python is $("$python" -V 2>&1). Set PYTHON=… to another one."; exit 1; }

if [ ! -x .venv/bin/python ]; then
    if ! "$python" -c 'import ensurepip, venv' >/dev/null 2>&1; then
        if can_apt; then say "installing python3-venv"; apt_install python3-venv || true; fi
        "$python" -c 'import ensurepip, venv' >/dev/null 2>&1 || {
            say "Python's venv module is missing: 'sudo apt install python3-venv', then again."; exit 1; }
    fi
    say "making .venv"
    "$python" -m venv .venv
fi

stamp=.venv/.setup-$kind
if [ "$kind" = run ] && [ -e .venv/.setup-dev ]; then stamp=.venv/.setup-dev; kind=dev; fi
lock=requirements/$kind.lock
if [ ! -e "$stamp" ] || [ "$lock" -nt "$stamp" ] || [ pyproject.toml -nt "$stamp" ]; then
    say "installing the packages of $lock into .venv (once)"
    if command -v uv >/dev/null 2>&1; then
        uv pip install --quiet --python .venv/bin/python --require-hashes -r "$lock"
        uv pip install --quiet --python .venv/bin/python --no-deps --editable .
    else
        .venv/bin/python -m pip install -qq --disable-pip-version-check --require-hashes -r "$lock"
        .venv/bin/python -m pip install -qq --disable-pip-version-check --require-hashes -r requirements/build.lock
        .venv/bin/python -m pip install -qq --disable-pip-version-check --no-deps --no-build-isolation --editable .
    fi
    touch "$stamp"
fi

if [ "$kind" = dev ]; then
    want mosquitto mosquitto "the chain is also tested on this broker"
    want mosquitto_pub mosquitto-clients "the relay is also tested with these clients"
    want chromium chromium "the page is tested in this browser"
    want tshark tshark "pcapng exports are checked with it"
    [ "${SKIP_POSTGRES:-}" ] || [ -d /usr/lib/postgresql ] || want pg_ctlcluster postgresql "the store is also tested on PostgreSQL"
fi
say "ready"
