"""Your own method, trained by the package's trainer on images of three kinds."""

import torch
from torch import Tensor, nn

import objdisc
from objdisc.methods.base import Method, Ranks, Views
from objdisc.models.encoder import Encoder
from objdisc.types import Batch, Prediction


class Prototypes(Method):
    """Pulls each image to the nearest of K learned prototypes, which start as images.

    Args:
        encoder: Maps images to features.
        num_clusters: K, at least 2.
    """

    views = Views.SINGLE

    def __init__(self, encoder: Encoder, num_clusters: int) -> None:
        super().__init__(encoder, num_clusters)
        self.prototypes = nn.Parameter(torch.randn(num_clusters, encoder.num_features))

    def training_step(self, batch: Batch, ranks: Ranks) -> dict[str, Tensor]:
        """Return the mean distance to the nearest prototype."""
        distances = torch.cdist(self.encoder(batch.views[0]).float(), self.prototypes)
        return {"loss": distances.min(dim=1).values.mean()}

    def infer(self, images: Tensor, context: Tensor) -> Prediction:
        """Return probabilities by the distances of each image to the prototypes."""
        features = self.encoder(images).float()
        return Prediction(torch.softmax(-torch.cdist(features, self.prototypes), 1)[:, :, None, None], features)


generator = torch.Generator().manual_seed(0)
colors = torch.tensor([[0.8, 0.2, 0.2], [0.2, 0.8, 0.2], [0.2, 0.2, 0.8]])
noise = 0.1 * torch.rand(60, 3, 32, 32, generator=generator)
images = colors[torch.arange(60) % 3][:, :, None, None] + noise  # (60, 3, 32, 32) in [0, 1]

method = Prototypes(objdisc.encoder("resnet18_3x3:8,2", weights="none"), num_clusters=3)
objdisc.fit(method, images, epochs=2, batch_size=20, lr=0.01, workers=0)
clusters = objdisc.predict(method, images).probabilities.argmax(1)
print(f"clusters of the first six images, of three kinds: {clusters[:6].ravel().tolist()}")
