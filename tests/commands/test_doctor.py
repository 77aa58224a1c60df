"""What the doctor says of an installation: what is there, what is missing, and how to get it."""

from importlib import metadata
from types import SimpleNamespace

import pytest

from objdisc import __version__
from objdisc.cli import main
from objdisc.commands import doctor as room
from objdisc.commands.doctor import DoctorOptions, doctor


def test_it_names_versions_machine_and_extras(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["doctor"]) == 0
    lines = capsys.readouterr().out.splitlines()
    said = {line.partition("  ")[0]: line.partition("  ")[2].strip() for line in lines}
    assert said["objdisc"].startswith(__version__)
    for name in ("torch", "numpy", "timm"):
        assert said[name] == metadata.version(name)
    assert {"cores", "disk", "devices", "auto takes", "extra weights", "extra geo", "extra onnx"} <= set(said)
    assert said["auto takes"].split(",")[0] in {"cpu", "cuda", "mps"}


def test_every_extra_is_listed_once() -> None:
    facts = [name for name, _ in doctor(DoctorOptions()).facts]
    extras = [f"extra {name}" for name in metadata.metadata("objdisc").get_all("Provides-Extra") or ()]
    assert [name for name in facts if name.startswith("extra ")] == extras
    assert len(facts) == len(set(facts))


def test_what_is_missing_or_too_old_comes_with_the_command_that_mends_it(monkeypatch: pytest.MonkeyPatch) -> None:
    def version(name: str) -> str:
        if name in {"faiss-cpu", "timm"}:
            raise metadata.PackageNotFoundError(name)
        return "0.0.1" if name == "scipy" else metadata.version(name)

    monkeypatch.setattr(room, "metadata", SimpleNamespace(**{**vars(metadata), "version": version}))
    found = doctor(DoctorOptions())
    assert dict(found.facts)["extra faiss"] == "not installed (faiss-cpu): pip install 'objdisc[faiss]'"
    assert any(problem.startswith("timm is missing; objdisc needs timm") for problem in found.problems)
    assert any(problem.startswith("scipy is 0.0.1; objdisc needs scipy>=") for problem in found.problems)
    assert "No problem was found." not in found.summary()
