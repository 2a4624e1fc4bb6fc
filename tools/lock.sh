#!/bin/sh
# Rewrites requirements/*.lock from pyproject.toml. Needs uv; only maintainers run it.
# One lock serves both installers (uv pip and pip): hashes, markers for every platform, no addresses.
set -eu
cd "$(dirname "$0")/.."
common="--universal --python-version 3.11 --generate-hashes --no-header --no-annotate --no-emit-index-url --quiet"
# shellcheck disable=SC2086
uv pip compile $common --all-extras pyproject.toml --no-emit-package overflight -o requirements/run.lock "$@"
# shellcheck disable=SC2086
uv pip compile $common --all-extras --group dev -c requirements/run.lock pyproject.toml --no-emit-package overflight -o requirements/dev.lock "$@"
printf 'hatchling\neditables\n' | uv pip compile $common -c requirements/dev.lock - -o requirements/build.lock "$@"
