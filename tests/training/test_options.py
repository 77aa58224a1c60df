"""Options that no training can use are refused with the flag's name."""

from typing import Any

import pytest

from objdisc.errors import UsageError
from objdisc.training.options import TrainerOptions


@pytest.mark.parametrize(
    ("values", "flag"),
    [
        ({"epochs": -1}, "--epochs"),
        ({"budget_minutes": -1.0}, "--budget-minutes"),
        ({"batch_size": 1}, "--batch-size"),
        ({"accumulation": 0}, "--accumulation"),
        ({"workers": -1}, "--workers"),
        ({"seed": -1}, "--seed"),
        ({"background_share": 1.0}, "--background-share"),
        ({"lr": 0.0}, "--lr"),
        ({"warmup": 1.5}, "--warmup"),
    ],
)
def test_values_out_of_range_name_their_flag(values: dict[str, Any], flag: str) -> None:
    with pytest.raises(UsageError, match=flag):
        TrainerOptions(**values)
