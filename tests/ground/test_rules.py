"""The rules file: what does not fit is refused in one sentence that names the setting."""

from __future__ import annotations

from pathlib import Path

import pytest

from overflight.cli import main
from overflight_contract.errors import InputError
from overflight_ground.alerts.rules import Rules, read_rules

WRONG = [
    ("[late]\nrhythms = nan", "[late] rhythms"),
    ("[late]\nrhythms = 0.5", "[late] rhythms"),
    ("[late]\nat_least_s = -1", "[late] at_least_s"),
    ("[late]\nat_least_s = inf", "[late] at_least_s"),
    ("[area]\nmargin_m = -1", "[area] margin_m"),
    ('[area]\non = "near"', "[area] on"),
    ("[off-course]\nwidth_m = 0", "[off-course] width_m"),
    ("[off-course]\nback_within = 2.0", "[off-course] back_within"),
    ("[off-course]\nconfirm = 0", "[off-course] confirm"),
    ("[descending]\nclimb_mps = 1", "[descending] climb_mps"),
    ("[descending]\nclimb_mps = -3\nsteady_mps = -4", "[descending] steady_mps"),
    ("[descending]\nsteady_mps = inf", "[descending] steady_mps"),
    ("[burst]\nclimb_mps = 5", "[burst] climb_mps"),
    ("[gap]\nat_least = 0", "[gap] at_least"),
    ("[doubtful]\nclear = 0", "[doubtful] clear"),
    ("[clock]\nconfirm = -3", "[clock] confirm"),
    ('[given-up]\nseverity = "critical"', "[given-up] severity"),
    ('[notify]\nseverities = ["critical"]', "[notify] severities"),
    ("[notify]\nseverities = []", "[notify] severities"),
    ("[notify]\nattempts = 0", "[notify] attempts"),
    ('[notify]\nsecret = ""', "[notify] secret"),
    ('[notify]\ncommand = [""]', "[notify] command"),
    ('[notify]\ncommand = ["/bin/x", "a\\u0000b"]', "[notify] command"),
]

WEBHOOKS = [
    "example.org",
    "ftp://example.org/",
    "http://",
    "http://:80/",
    "http://127.0.0.1:99999/",
    "http://127.0.0.1:0/",
    "http://127.0.0.1:-1/",
    "http://127.0.0.1:x/",
    "http://xn--a/",
    "http://a..b/",
    f"http://{'a' * 64}.org/",
    "http://exa mple/",
    "http://[::1/",
    "http://a\\u0000b/",
    "",
]


def refusal(folder: Path, text: str) -> str:
    file = folder / "rules.toml"
    file.write_text(text + "\n", "utf-8")
    with pytest.raises(InputError) as refused:
        read_rules(file)
    return str(refused.value)


@pytest.mark.parametrize(("text", "setting"), WRONG)
def test_what_does_not_fit_is_named(tmp_path, text, setting) -> None:
    told = refusal(tmp_path, text)
    assert f"{setting}" in told
    assert "rules.toml" in told
    assert "\n" not in told


@pytest.mark.parametrize("url", WEBHOOKS)
def test_a_webhook_that_can_not_be_reached_by_any_means(tmp_path, url) -> None:
    told = refusal(tmp_path, f'[notify]\nwebhook = "{url}"')
    assert "[notify] webhook" in told
    assert "\n" not in told


@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.1:8080/hook",
        "https://user:word@example.org",
        "http://[::1]:1/",
        "http://ü.de/",
    ],
)
def test_a_webhook_that_fits(tmp_path, url) -> None:
    file = tmp_path / "rules.toml"
    file.write_text(f'[notify]\nwebhook = "{url}"\n', "utf-8")
    assert read_rules(file).notify.webhook == url


def test_the_defaults_fit_their_own_bounds(tmp_path) -> None:
    import msgspec

    assert msgspec.convert(msgspec.to_builtins(Rules()), Rules) == Rules()


def test_wrong_rules_are_bad_input_for_the_command(store, tmp_path, capsys) -> None:
    file = tmp_path / "rules.toml"
    file.write_text("[notify]\nattempts = 0\n")
    assert main(["ground", "alerts", "--try", str(file), "--store", str(store.file)]) == 2
    told = capsys.readouterr().err.strip()
    assert "[notify] attempts" in told
    assert len(told.splitlines()) == 1
