"""Batch normalisations folded into convolutions for inference, in a copy that is never trained and never saved.

Once a network's statistics are fixed, a batch normalisation after a convolution is a factor and an offset for each
channel, which can be folded into the weights. This saves most of the memory traffic.
"""

import copy
from collections.abc import Callable, Iterable
from contextlib import ExitStack
from typing import Any, NamedTuple, Self

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from objdisc.models.fixed_conv import FixedConv2d, can_be_fixed

Run = Callable[[Any, Tensor], Any]

_PIXELS_IN_CACHE = 8 * 224 * 224  # EfficientNet-Lite0 in bfloat16: 8 images 149 a second, 32 images 94-115
_TOLERANCE = 1e-3  # of the largest feature: rounding of tens of layers; a wrong fold is off by the whole of it


class Pair(NamedTuple):
    """A convolution and the normalisation of its output, by their names in a network."""

    conv: str
    norm: str


class FoldedCopy:
    """The folded copy of one network, made when it is first needed and again after the network has learned.

    It is not part of the network's state: a copy of its owner starts without one.
    """

    def __init__(self) -> None:
        self._pairs: tuple[Pair, ...] | None = None
        self._body: nn.Module | None = None
        self._stand: tuple[object, ...] = ()

    def __deepcopy__(self, memo: dict[int, Any]) -> Self:
        return type(self)()

    def __reduce__(self) -> tuple[type[Self], tuple[()]]:
        return type(self), ()

    @torch.no_grad()
    def of(self, body: nn.Module, run: Run, images: Tensor) -> nn.Module:
        """Return the network's folded copy, or the network itself if nothing can be folded.

        Args:
            body: The network, in evaluation mode.
            run: How the network is called with images.
            images: ``(B, C, H, W)`` images as it will get them.
        """
        if self._pairs is None:
            self._pairs = _pairs_that_fold(body, run, images[:1])
        if not self._pairs:
            return body
        stand = _stand(body)
        if self._body is None or self._stand != stand:
            self._body, self._stand = folded(body, self._pairs), stand
        return self._body


def can_stand_in(body: nn.Module) -> bool:
    """Whether a copy may be used now: nothing is learning, and no hook or compiler looks at the network."""
    if torch.is_grad_enabled() or torch.compiler.is_compiling() or torch._C._get_tracing_state() is not None:
        return False
    return not any(module.training or module._forward_hooks or module._forward_pre_hooks for module in body.modules())


def in_pieces(body: nn.Module, images: Tensor) -> tuple[Tensor, ...]:
    """Split a batch into pieces; on a CPU, the feature maps of a piece fit into its cache.

    The batch stays whole if something is learning, or if its statistics matter.

    Args:
        body: The network.
        images: ``(B, C, H, W)``.
    """
    if images.device.type != "cpu" or not can_stand_in(body) or _looks_at_batches(body):
        return (images,)
    return torch.split(images, max(_PIXELS_IN_CACHE // (images.shape[2] * images.shape[3]), 1))


def _looks_at_batches(body: nn.Module) -> bool:
    """Whether a network in evaluation mode still normalises by statistics of its batch."""
    norms = (module for module in _modules(body) if isinstance(module, nn.modules.batchnorm._BatchNorm))
    return any(norm.running_mean is None for norm in norms)


@torch.no_grad()
def folded(body: nn.Module, pairs: Iterable[Pair]) -> nn.Module:
    """Copy a network without the normalisations of some pairs.

    Args:
        body: The network in evaluation mode; it stays as it is.
        pairs: As ``find_pairs`` gives them.
    """
    found = copy.deepcopy(body).requires_grad_(False)
    for pair in pairs:
        conv, norm = found.get_submodule(pair.conv), found.get_submodule(pair.norm)
        assert isinstance(conv, nn.Conv2d)
        assert isinstance(norm, nn.BatchNorm2d)
        # timm's normalisations hold the activation
        found.set_submodule(pair.conv, FixedConv2d(conv, norm, getattr(norm, "act", nn.Identity())).eval())
        found.set_submodule(pair.norm, nn.Identity().eval())
    return found


def find_pairs(body: nn.Module, run: Run, images: Tensor) -> tuple[tuple[Pair, ...], Any]:
    """Run a network, and find the convolutions whose output goes only into a normalisation.

    Args:
        body: In evaluation mode.
        run: How the network is called with images.
        images: ``(B, C, H, W)``.

    Returns:
        The pairs, and the network's output.
    """
    names = {module: name for name, module in body.named_modules()}
    made: dict[int, tuple[nn.Module, Tensor]] = {}  # by the identity of the tensor, which is kept
    calls: dict[nn.Module, int] = {}
    taken: list[tuple[nn.Module, nn.Module, int]] = []

    def note_output(module: nn.Module, _: Any, output: Tensor) -> None:
        calls[module] = calls.get(module, 0) + 1
        made[id(output)] = (module, output)

    def note_input(module: nn.Module, inputs: tuple[Tensor, ...]) -> None:
        calls[module] = calls.get(module, 0) + 1
        if id(inputs[0]) in made:
            taken.append((made[id(inputs[0])][0], module, id(inputs[0])))

    uses = _Uses(made)
    with ExitStack() as stack:
        for module in names:
            if isinstance(module, nn.Conv2d):
                stack.callback(module.register_forward_hook(note_output).remove)
            elif isinstance(module, nn.BatchNorm2d):
                stack.callback(module.register_forward_pre_hook(note_input).remove)
        stack.enter_context(uses)
        output = run(body, images)
    pairs = (
        Pair(names[conv], names[norm])
        for conv, norm, tensor in taken
        if uses.of.get(tensor) == calls[conv] == calls[norm] == 1 and can_be_fixed(conv, norm)
    )
    return tuple(pairs), output


class _Uses(TorchFunctionMode):
    """Counts the functions that use watched tensors."""

    def __init__(self, watched: dict[int, tuple[nn.Module, Tensor]]) -> None:
        super().__init__()
        self.of: dict[int, int] = {}
        self._watched = watched

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        output = func(*args, **(kwargs or {}))
        if isinstance(output, Tensor | tuple | list) and not isinstance(output, torch.Size):
            for tensor in _tensors([*args, *(kwargs or {}).values()]):
                if id(tensor) in self._watched:
                    self.of[id(tensor)] = self.of.get(id(tensor), 0) + 1
        return output


def _tensors(values: Iterable[Any]) -> Iterable[Tensor]:
    for value in values:
        if isinstance(value, Tensor):
            yield value
        elif isinstance(value, list | tuple):
            yield from _tensors(value)


def _pairs_that_fold(body: nn.Module, run: Run, images: Tensor) -> tuple[Pair, ...]:
    """Find the pairs of a network; none if the folded network gives another output."""
    with torch.autocast(images.device.type, enabled=False):
        images = images.float()
        pairs, expected = find_pairs(body, run, images)
        if not pairs or not _alike(run(folded(body, pairs), images), expected):
            return ()
    return pairs


def _alike(found: Any, expected: Any) -> bool:
    if isinstance(expected, Tensor):
        return bool((found - expected).abs().max() <= _TOLERANCE * expected.abs().max().clamp_min(_TOLERANCE))
    return all(_alike(one, other) for one, other in zip(found, expected, strict=True))


def _stand(body: nn.Module) -> tuple[object, ...]:
    """Return a value that changes whenever a weight or a statistic changes."""
    own = (
        tensor
        for module in _modules(body)
        for held in (module._parameters, module._buffers)
        for tensor in held.values()
    )
    return tuple((tensor.data_ptr(), tensor._version) for tensor in own if tensor is not None)


def _modules(body: nn.Module) -> Iterable[nn.Module]:
    """Yield a network's modules as ``modules()`` does, in a tenth of the time, since each forward pass needs them."""
    left: list[nn.Module] = [body]
    while left:
        module = left.pop()
        yield module
        left.extend(child for child in module._modules.values() if child is not None)
