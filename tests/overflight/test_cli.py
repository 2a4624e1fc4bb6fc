"""The command line as a whole: slips get one sentence, settings come in layers."""

import pytest

from overflight.cli import COMMANDS, build_parser, main


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["dmo"], "there is no 'dmo'; did you mean 'demo'?"),
        (["relay", "rn"], "did you mean 'run'?"),
        (["demo", "--speed", "fast"], "'fast' is no speed"),
        (["demo", "--policy", "maybe"], "there are enforce, observe"),
        (["completion"], "required: shell"),
    ],
)
def test_a_slip_gets_one_sentence_and_status_2(capsys, words, said):
    with pytest.raises(SystemExit) as stop:
        main(words)
    assert stop.value.code == 2
    errors = capsys.readouterr().err
    assert said in errors
    assert errors.count("\n") == 1


def test_a_setting_that_is_wrong_is_named(capsys, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "overflight.toml").write_text("[demo]\nspede = 3\n")
    assert main(["demo"]) == 2
    assert "unknown setting 'spede'" in capsys.readouterr().err


def test_the_environment_sets_what_the_words_do_not(capsys, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("OVERFLIGHT_DEMO_SCENARIO", "nowhere")
    assert main(["demo"]) == 2
    assert "no scenario 'nowhere'" in capsys.readouterr().err


@pytest.mark.parametrize("shell", ["bash", "zsh"])
def test_completion_knows_every_command(capsys, shell):
    assert main(["completion", shell]) == 0
    script = capsys.readouterr().out
    assert all(name in script for name in COMMANDS)


def test_the_examples_of_every_command_parse():
    import shlex

    from overflight.reference import commands

    for path, parser in commands(build_parser(list(COMMANDS))):
        for line in (parser.epilog or "").splitlines():
            example = line.strip().split("   ")[0].split(" > ")[0].split(" < ")[0]
            if not example.startswith("overflight ") or "…" in example:
                continue
            words = shlex.split(example)[1:]
            build_parser(list(COMMANDS)).parse_args(words)
            assert path
