"""A finished run's categories, unchanged, together with new ones: the method that ``--grow`` makes."""

import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, ClassVar

import torch
from torch import Tensor

from objdisc.clustering.growth import NewGroups, nearness, project
from objdisc.config.components import Component, resolve_class_path
from objdisc.errors import UsageError
from objdisc.methods.base import Method
from objdisc.models.encoder import Encoder
from objdisc.types import Prediction

_PACKAGE = "objdisc.methods"
_SHARPNESS = 10.0
_SIZED = ("weight", "bias", "known_points", "new_points", "new_groups")


class Grown(Method):
    """Keeps another run's categories with their ids, and adds new ones; ``--grow`` makes it.

    An object belongs to a new category if, by the mean distance to the five nearest, it is nearer to the objects that
    founded the category than to those of the previous run; see ``clustering.growth``. For any other object, the
    prediction is that of the previous run's method, bit for bit. The embedding is that method's, followed by the
    position among old and new objects.

    Args:
        encoder: Maps images to features.
        num_clusters: K, the known categories and the new ones.
        known: Name of the previous run's method, one of this package.
        known_args: Its arguments, as JSON.
        num_known: Number of categories of the previous run.
        seed: Random seed that its method is built with.
    """

    trains: ClassVar[bool] = False

    weight: Tensor
    bias: Tensor
    known_points: Tensor
    new_points: Tensor
    new_groups: Tensor

    def __init__(
        self,
        encoder: Encoder,
        num_clusters: int,
        *,
        known: str = "",
        known_args: str = "{}",
        num_known: int = 0,
        seed: int = 0,
    ) -> None:
        super().__init__(encoder, num_clusters)
        if not known or num_known < 2:
            raise UsageError("--method grown: made of a finished run; give --init-from RUN --grow, and no --method")
        if num_clusters < num_known:
            raise UsageError(f"--num-clusters {num_clusters}: the {num_known} categories of the run before stay")
        component = Component(resolve_class_path(known, Method, _PACKAGE), _arguments(known_args))
        method = component.build(Method, encoder=encoder, num_clusters=num_known, seed=seed)
        self.encoder = method.encoder  # pixels, where the method compares these
        # both have one encoder, which is kept once
        del method._modules["encoder"]
        object.__setattr__(method, "encoder", self.encoder)
        self.known, self.num_known = method, num_known
        self.register_buffer("weight", torch.zeros(0, encoder.num_features))
        self.register_buffer("bias", torch.zeros(0))
        self.register_buffer("known_points", torch.zeros(0, 0))
        self.register_buffer("new_points", torch.zeros(0, 0))
        self.register_buffer("new_groups", torch.zeros(0, dtype=torch.int64))

    @property
    def exportable(self) -> bool:
        """Whether the previous run's method is exportable."""
        return self.known.exportable

    def take_known(self, state: Mapping[str, Tensor]) -> None:
        """Load the weights of the previous run.

        Args:
            state: All tensors of its method.
        """
        renamed = {name if name.startswith("encoder.") else f"known.{name}": value for name, value in state.items()}
        own = {name: value for name, value in self.state_dict().items() if name in _SIZED}
        self.load_state_dict({**renamed, **own})

    def take_new(self, found: NewGroups) -> None:
        """Take the groups that become categories, as many as there are clusters besides the known ones."""
        self.weight, self.bias, self.known_points = found.weight, found.bias, found.known
        self.new_points, self.new_groups = found.members, found.groups.to(found.members.device)

    @torch.no_grad()
    def infer(self, images: Tensor, context: Tensor) -> Prediction:
        """Return the prediction of the previous run's method, or the new category of objects that belong to one.

        A known category has the probability of that method, a new one the highest of these; both are then weighted by a
        softmax over how near the object is to the known objects and to each new category.
        """
        said, features = self._look(images, context)
        if self.num_clusters == self.num_known:
            return replace(said, subheads=None)
        points = project(features, self.weight, self.bias)
        away = [nearness(points, self.known_points)]
        for group in range(self.num_clusters - self.num_known):
            away.append(nearness(points, self.new_points[self.new_groups == group]))
        distances = torch.stack(away, dim=1)  # (B, 1 + new)
        weights = torch.softmax(-_SHARPNESS * distances / distances.mean(dim=1, keepdim=True).clamp_min(1e-8), dim=1)
        known = said.probabilities[:, :, 0, 0].float()
        probabilities = torch.cat([known * weights[:, :1], known.amax(dim=1, keepdim=True) * weights[:, 1:]], dim=1)
        probabilities = probabilities / probabilities.sum(dim=1, keepdim=True)
        embedding = torch.cat([said.embedding.float(), points], dim=1)
        return Prediction(
            probabilities[:, :, None, None], embedding, said.foreground, region_features=said.region_features
        )

    def _look(self, images: Tensor, context: Tensor) -> tuple[Prediction, Tensor]:
        """Return the prediction of the previous run's method, and the features ``(B, F)`` that it is made from.

        The encoder is most of the cost, so its output for that method is reused; a program that is traced for export
        cannot do so.
        """
        seen: list[Tensor] = []
        if torch.compiler.is_exporting():
            return self.known.infer(images, context), self.encoder(self.encoder_input(images))
        hook = self.encoder.register_forward_hook(lambda *called: seen.append(called[-1]))
        try:
            said = self.known.infer(images, context)
        finally:
            hook.remove()
        return said, seen[0] if seen else self.encoder(self.encoder_input(images))

    def encoder_input(self, images: Tensor) -> Tensor:
        """Return the encoder's input in the previous run's method."""
        return self.known.encoder_input(images)

    def _load_from_state_dict(self, state_dict: Mapping[str, Any], prefix: str, *args: Any) -> None:
        for name in _SIZED:
            saved = state_dict.get(prefix + name)
            if saved is not None:
                setattr(self, name, self.get_buffer(name).new_empty(saved.shape))
        super()._load_from_state_dict(state_dict, prefix, *args)


def _arguments(text: str) -> dict[str, Any]:
    """Read arguments of a method.

    Raises:
        UsageError: They are not a JSON object.
    """
    try:
        found = json.loads(text)
    except ValueError as error:
        raise UsageError(f"--method.known-args: no JSON ({error}); --grow writes it.") from error
    if not isinstance(found, dict):
        raise UsageError("--method.known-args: no JSON object; --grow writes it.")
    return found
