"""Every loss is there as a function and as a module, which say the same; both come by name from ``objdisc.losses``."""

import inspect
import pkgutil
from collections.abc import Callable
from functools import partial
from importlib import import_module
from types import ModuleType
from typing import Any

import pytest
import torch
from torch import Tensor, nn

import objdisc.losses
from objdisc import losses
from objdisc.losses.base import Loss

INGREDIENTS = {
    "balanced_targets",
    "cluster_counts",
    "curriculum_thresholds",
    "joint_of_each_shift",
    "marginal_entropy",
    "squared_distances",
    "sum_of_joints",
}
"""Public functions that losses are made of, and that are none themselves."""


def probabilities(*shape: int, seed: int = 0, axis: int = -1) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed)).softmax(axis)


def unit(*shape: int) -> Tensor:
    return nn.functional.normalize(torch.randn(shape, generator=torch.Generator().manual_seed(0)), dim=-1)


CLUSTERS = torch.arange(12) % 3
NEIGHBORS = (CLUSTERS[:, None] + torch.tensor([1, 2])) % 3
UNEVEN = torch.tensor([0.5, 0.3, 0.2])

# by the function's name: its module, hyperparameters other than the defaults, and tensors
CASES: dict[str, tuple[type[Loss], dict[str, Any], list[Tensor]]] = {
    "info_nce": (losses.InfoNCELoss, {"temperature": 0.7}, [unit(9, 4), unit(9, 4).flip(1)]),
    "iid_loss": (losses.IIDLoss, {"lamb": 1.5}, [probabilities(9, 4), probabilities(9, 4, seed=1)]),
    "iid_dense_loss": (
        losses.DenseIIDLoss,
        {"half_t": 2, "lamb": 1.2, "collapsed": True},
        [probabilities(2, 3, 8, 8, axis=1), probabilities(2, 3, 8, 8, seed=1, axis=1), torch.ones(2, 8, 8)],
    ),
    "kmeans_loss": (losses.KMeansLoss, {}, [probabilities(9, 4)]),
    "balance_loss": (losses.BalanceLoss, {"prior": UNEVEN}, [torch.tensor([5.0, 2.0, 2.0])]),
    "agreement_loss": (losses.AgreementLoss, {"temperature": 0.5}, [unit(9, 4), probabilities(9, 4)]),
    "scan_loss": (losses.SCANLoss, {"entropy_weight": 2.0}, [probabilities(9, 4), probabilities(9, 4, seed=1)]),
    "self_label_loss": (
        losses.SelfLabelLoss,
        {"threshold": 0.4},
        [probabilities(9, 4), probabilities(9, 4, seed=1)],
    ),
    "hinge_triplets": (losses.HingeTripletLoss, {"margin": 0.5, "gamma": 2.0}, [unit(12, 4), CLUSTERS]),
    "affinity_triplets": (
        losses.AffinityTripletLoss,
        {"gamma": 3.0, "local_weight": 0.5},
        [unit(12, 4), CLUSTERS, NEIGHBORS, torch.tensor(0.8)],
    ),
}


def modules() -> list[ModuleType]:
    names = {found.name for found in pkgutil.iter_modules(objdisc.losses.__path__)} - {"base"}
    return [import_module(f"objdisc.losses.{name}") for name in names]


def public(is_wanted: Callable[[object], bool]) -> dict[str, Any]:
    return {
        name: value
        for module in modules()
        for name, value in vars(module).items()
        if not name.startswith("_") and is_wanted(value) and value.__module__ == module.__name__
    }


def hyperparameters(function: Callable[..., object]) -> dict[str, object]:
    parameters = inspect.signature(function).parameters.values()
    return {parameter.name: parameter.default for parameter in parameters}


def first(loss: Tensor | tuple[Tensor, ...]) -> Tensor:
    return loss if isinstance(loss, Tensor) else loss[0]


def test_every_public_function_is_a_loss_with_a_module_or_an_ingredient() -> None:
    assert public(inspect.isfunction).keys() == CASES.keys() | INGREDIENTS


def test_every_module_is_of_one_loss() -> None:
    found = public(lambda value: inspect.isclass(value) and issubclass(value, nn.Module)).values()
    assert {module for module, _, _ in CASES.values()} == set(found)


@pytest.mark.parametrize("name", CASES)
def test_constructor_and_forward_share_the_arguments_of_the_function(name: str) -> None:
    """The constructor takes hyperparameters with their defaults, and ``forward`` the rest, in the same order."""
    taken = hyperparameters(getattr(losses, name))
    fixed = hyperparameters(CASES[name][0])
    given = hyperparameters(partial(CASES[name][0].forward, None))
    assert {argument: taken[argument] for argument in fixed} == fixed
    assert [argument for argument in taken if argument not in fixed] == list(given)


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("defaults", [True, False])
def test_a_module_says_what_its_function_says(name: str, defaults: bool) -> None:
    kind, settings, tensors = CASES[name]
    settings = {} if defaults else settings
    expected = getattr(losses, name)(*tensors, **settings)
    torch.testing.assert_close(kind(**settings)(*tensors), expected, rtol=0, atol=0)


@pytest.mark.parametrize("name", CASES)
def test_gradients_flow_through_the_module(name: str) -> None:
    kind, settings, tensors = CASES[name]
    learned = 1 if name == "self_label_loss" else 0  # none flows into the confident view
    leaves = [tensor.clone() for tensor in tensors]
    leaves[learned].requires_grad_()
    torch.autograd.backward(first(kind(**settings)(*leaves)))
    gradient = leaves[learned].grad
    assert gradient is not None
    assert bool(gradient.isfinite().all())
    assert bool(gradient.any())


@pytest.mark.parametrize("name", CASES)
def test_a_module_shows_its_hyperparameters_and_holds_nothing_to_learn(name: str) -> None:
    kind, settings, _ = CASES[name]
    module = kind(**settings)
    shown = ["prior=tensor(3,)"] if "prior" in settings else [f"{key}={value}" for key, value in settings.items()]
    assert str(module) == f"{kind.__name__}({', '.join(shown)})"
    assert not list(module.parameters())
    assert not module.state_dict()


def test_a_threshold_for_each_cluster_moves_with_the_module() -> None:
    module = losses.SelfLabelLoss(torch.tensor([0.4, 0.6])).to("meta")
    assert isinstance(module.threshold, Tensor)
    assert module.threshold.device.type == "meta"


@pytest.mark.parametrize(
    ("kind", "settings"),
    [
        (losses.InfoNCELoss, {"temperature": 0.0}),
        (losses.AgreementLoss, {"temperature": float("nan")}),
        (losses.IIDLoss, {"lamb": -1.0}),
        (losses.DenseIIDLoss, {"half_t": -1}),
        (losses.SCANLoss, {"entropy_weight": -5.0}),
        (losses.SelfLabelLoss, {"threshold": 1.5}),
        (losses.SelfLabelLoss, {"threshold": torch.tensor([0.5, -0.1])}),
        (losses.BalanceLoss, {"prior": torch.tensor([0.5, 0.4])}),
        (losses.BalanceLoss, {"prior": torch.tensor([1.5, -0.5])}),
        (losses.HingeTripletLoss, {"margin": -0.1}),
        (losses.AffinityTripletLoss, {"gamma": 0.0}),
    ],
)
def test_hyperparameters_that_make_no_sense_are_refused_by_name(kind: type[Loss], settings: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=f"^{next(iter(settings))} is .*; it must"):
        kind(**settings)


def test_the_package_offers_all_of_them_by_name() -> None:
    offered = set(objdisc.losses.__all__)
    assert offered <= set(dir(objdisc.losses))
    assert {name for name in offered if inspect.isfunction(getattr(losses, name))} == CASES.keys() | INGREDIENTS
    assert {module.__name__ for module, _, _ in CASES.values()} <= offered
    with pytest.raises(AttributeError, match="has no attribute 'hinge'"):
        getattr(losses, "hinge")  # noqa: B009 - mypy knows that it is not there
