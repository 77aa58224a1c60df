"""Options come from defaults, YAML and flags, in this order; mistakes end in one line that names the cause."""

from pathlib import Path

import pytest

from objdisc.config.components import Component
from objdisc.config.parser import dump, load
from objdisc.errors import UsageError

from ..support.job import POLYGON, Cut, Job, Steps, job, strict_job, write


def test_nothing_given_is_the_defaults_with_the_class_default_arguments() -> None:
    assert strict_job() == Job(shape=Component(POLYGON, {"count": 3, "regular": True}))


@pytest.mark.parametrize("flag", ["--batch-size", "--batch_size"])
def test_dashes_and_underscores_are_the_same_flag(flag: str) -> None:
    assert job(flag, "7").steps.batch_size == job(f"{flag}=7").steps.batch_size == 7


def test_positional_is_a_path_and_may_stand_anywhere() -> None:
    assert job("my city", "--num-clusters", "3").path == job("--num-clusters", "3", "my city").path == Path("my city")


def test_flags_win_over_yaml_wherever_they_stand(tmp_path: Path) -> None:
    file = write(tmp_path / "a.yaml", batch_size=5, lr=0.5, cut={"size": 32}, path="city")
    options = job("--lr", "2", "--config", file)
    assert (options.steps, options.cut, options.path) == (Steps(batch_size=5, lr=2.0), Cut(32), Path("city"))


def test_later_yaml_wins_over_earlier(tmp_path: Path) -> None:
    first, second = write(tmp_path / "a.yaml", lr=1.0, batch_size=5), write(tmp_path / "b.yaml", lr=2.0)
    assert job("--config", first, "--config", second).steps == Steps(batch_size=5, lr=2.0)


def test_positional_on_the_command_line_wins_over_yaml(tmp_path: Path) -> None:
    assert job("here", "--config", write(tmp_path / "a.yaml", path="there")).path == Path("here")


def test_switch_needs_no_value() -> None:
    assert job("--baseline").baseline is True
    assert job("--baseline", "false").baseline is False
    assert job("--baseline", "--no-baseline").baseline is False
    assert job("--baseline", "city").path == Path("city")


def test_list_is_written_with_commas() -> None:
    assert job("--names", "dog,automobile").names == ("dog", "automobile")
    assert job("--names", "[dog]").names == ("dog",)


def test_dumped_options_load_as_themselves(tmp_path: Path) -> None:
    options = job("süd stadt", "--names", "a,b", "--shape.count", "4", "--cut.size", "17", "--lr", "1e-3")
    saved = tmp_path / "config.yaml"
    saved.write_text(dump(options), encoding="utf-8")
    assert load(Job, saved, allow_import=True) == options


def test_resume_starts_from_the_configuration_of_the_run(tmp_path: Path) -> None:
    (tmp_path / "config.yaml").write_text(dump(job("city", "--lr", "3")), encoding="utf-8")
    options = job("--resume", str(tmp_path), "--batch-size", "2")
    assert (options.path, options.steps, options.resume) == (Path("city"), Steps(2, 3.0), str(tmp_path))


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        (["--nothing", "3"], "unknown setting 'nothing'"),
        (["--batch-sise", "3"], "did you mean batch_size"),
        (["--batch-size", "many"], "batch_size: expected int, got 'many'"),
        (["--shape.nothing", "3"], "unknown setting 'nothing' of shape"),
        (["--shape", "nowhere"], "no Shape is called 'nowhere'"),
        (["--batch-size"], "expected one argument"),
        (["a", "b"], "'b'"),
        (["--config", "missing.yaml"], r"missing\.yaml: the config cannot be read \(No such file"),
    ],
)
def test_mistakes_end_in_one_line(argv: list[str], message: str) -> None:
    with pytest.raises(UsageError, match=message) as caught:
        job(*argv)
    assert "\n" not in str(caught.value)
    assert caught.value.exit_code == 2


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("epocs: 3", r"a\.yaml: unknown setting 'epocs'"),
        ("lr: fast", r"a\.yaml: lr: expected float, got 'fast'"),
        ("cut: {width: 3}", r"a\.yaml: unknown setting 'width'"),
        ("[1, 2]", r"a\.yaml: holds a list"),
        ("lr: [", r"a\.yaml: not valid YAML"),
        ("shape: 3", r"a\.yaml: shape is 3; expected a name"),
    ],
)
def test_mistakes_in_a_file_name_the_file(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "a.yaml").write_text(text, encoding="utf-8")
    with pytest.raises(UsageError, match=message) as caught:
        job("--config", str(tmp_path / "a.yaml"))
    assert "\n" not in str(caught.value)


def test_help_shows_flags_with_dashes_and_the_docstrings(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        job("--help")
    text = " ".join(capsys.readouterr().out.split())
    assert caught.value.code == 0
    assert "usage: objdisc job [PATH]" in text
    assert "--batch-size BATCH_SIZE Patches a step." in text
    assert "Chosen names, with a comma between them." in text
    assert "batch_size " not in text


def test_printed_settings_are_a_config(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        job("city", "--lr", "3", "--print-config")
    assert caught.value.code == 0
    (tmp_path / "c.yaml").write_text(capsys.readouterr().out, encoding="utf-8")
    assert load(Job, tmp_path / "c.yaml", allow_import=True) == job("city", "--lr", "3")


def test_a_date_that_is_none_is_a_text_like_another(tmp_path: Path) -> None:
    assert job("--output", "2024-13-45").output == Path("2024-13-45")
    for text in ("num_clusters: 2001-99-99", "[" * 3000):
        (tmp_path / "c.yaml").write_text(text, encoding="utf-8")
        with pytest.raises(UsageError, match=r"c\.yaml: not valid YAML"):
            job("--config", str(tmp_path / "c.yaml"))
