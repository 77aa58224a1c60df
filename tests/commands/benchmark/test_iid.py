"""The benchmark of the dense loss compares two forms of one number."""

from pathlib import Path

import pytest
import torch

from objdisc.cli import main
from objdisc.commands.benchmark import iid as benchmark_iid
from objdisc.losses.iid import iid_dense_loss


def test_both_forms_give_the_same_loss() -> None:
    z, z_prime = torch.randn(2, 2, 3, 20, 16, generator=torch.Generator().manual_seed(0)).softmax(2)
    direct = benchmark_iid.published_loss(z, z_prime, 4)
    torch.testing.assert_close(iid_dense_loss(z, z_prime, None, 4), direct, rtol=1e-5, atol=1e-6)


def test_command_needs_no_data_and_prints_how_many_times_faster(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    monkeypatch.setattr(benchmark_iid, "CASES", ((2, 3),))
    monkeypatch.chdir(tmp_path)
    assert main(["benchmark", "iid"]) == 0
    printed = dict(line.split() for line in capsys.readouterr().out.splitlines())
    assert set(printed) == {"iid_k2_t3_direct_seconds", "iid_k2_t3_seconds", "iid_k2_t3_times_faster"}
    assert all(float(value) >= 0 for value in printed.values())
