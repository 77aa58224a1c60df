"""On what a run was made: noted with its figures, read back, and the same as the doctor says."""

import json
import os
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
import torch

from objdisc import __version__
from objdisc.commands.doctor import DoctorOptions, doctor
from objdisc.errors import UsageError
from objdisc.io.marks import current_commit
from objdisc.io.run import Run
from objdisc.models.origin import WeightsOrigin
from objdisc.pipeline.provenance import Provenance, processor_name, short_commit
from objdisc.pipeline.summary import RunSummary


@pytest.fixture
def here() -> Provenance:
    return Provenance.now("cpu", "fp32")


def test_it_names_code_machine_and_what_was_asked_for(here: Provenance) -> None:
    assert (here.objdisc, here.commit, here.torch) == (__version__, current_commit(), torch.__version__)
    assert (here.device, here.gpu, here.precision) == ("cpu", "", "fp32")
    assert Provenance.now("cpu", "bf16").precision == "bf16"
    assert here.threads == torch.get_num_threads()
    assert 1 <= here.cores <= (os.cpu_count() or 1)
    assert abs((datetime.now(UTC) - datetime.fromisoformat(here.date)).total_seconds()) < 60
    assert datetime.fromisoformat(here.date).tzinfo == UTC
    assert here.processor == processor_name() != ""


def test_one_line_says_it(here: Provenance) -> None:
    one = replace(here, commit="0123456789abcdef-dirty", threads=1, cores=2, processor="AMD EPYC")
    one = replace(one, date="2026-11-30T12:00:00+00:00")
    said = f"objdisc {__version__} (commit 0123456-dirty), torch {torch.__version__}, AMD EPYC, 1 thread of 2 cores, "
    assert str(one) == said + "cpu in fp32, 2026-11-30"
    assert "commit" not in str(replace(one, commit=None))
    assert short_commit("0123456789") == "0123456"


def test_the_doctor_says_the_same(here: Provenance) -> None:
    facts = dict(doctor(DoctorOptions()).facts)
    assert facts["processor"] == here.processor
    assert facts["cores"].startswith(f"{here.cores} usable")
    assert facts["auto takes"].endswith(f"{here.threads} threads")


def summary(here: Provenance | None) -> RunSummary:
    origin = WeightsOrigin.from_metrics({"supervision": "none"})
    return RunSummary("val", "train", 0, origin, 1.0, seconds=2.0, cpu_seconds=3.0, provenance=here)


def test_metrics_json_keeps_it(here: Provenance, tmp_path: Path) -> None:
    summary(here).write(Run(tmp_path))
    read = RunSummary.read(Run(tmp_path))
    assert read is not None
    assert (read.provenance, read.cpu_seconds) == (here, 3.0)


def test_a_run_of_an_earlier_version_knows_nothing_of_it(here: Provenance, tmp_path: Path) -> None:
    facts = summary(here).to_json()
    del facts["provenance"], facts["cpu_seconds"]
    (tmp_path / "metrics.json").write_text(json.dumps(facts), encoding="utf-8")
    read = RunSummary.read(Run(tmp_path))
    assert read is not None
    assert (read.provenance, read.cpu_seconds) == (None, None)


@pytest.mark.parametrize("damage", [[], {"objdisc": "0.2"}])
def test_a_damaged_one_is_refused(here: Provenance, tmp_path: Path, damage: object) -> None:
    facts = summary(here).to_json() | {"provenance": damage}
    (tmp_path / "metrics.json").write_text(json.dumps(facts), encoding="utf-8")
    with pytest.raises(UsageError, match="damaged"):
        RunSummary.read(Run(tmp_path))
