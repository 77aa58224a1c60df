"""A loss of the package in your own training loop: invariant information clustering of two blobs of points."""

import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

import objdisc

generator = torch.Generator().manual_seed(0)
torch.manual_seed(0)
kinds = torch.arange(512) % 2
points = torch.randn(512, 2, generator=generator) * 0.3 + 3.0 * kinds[:, None]
loader = DataLoader(TensorDataset(points - points.mean(0)), batch_size=128, shuffle=True, generator=generator)

network = nn.Sequential(nn.Linear(2, 16), nn.ReLU(), nn.Linear(16, 2), nn.Softmax(dim=1))
iid = objdisc.losses.IIDLoss()
optimizer = torch.optim.Adam(network.parameters(), lr=0.01)
for _ in range(10):
    for (batch,) in loader:
        view = batch + 0.2 * torch.randn(batch.shape, generator=generator)
        loss = iid(network(batch), network(view))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()

clusters = network(points - points.mean(0)).argmax(1)
accuracy = objdisc.metrics.clustering_accuracy(kinds.numpy(), clusters.detach().numpy())
print(f"loss {loss.item():.3f}; accuracy {accuracy:.3f}")
assert accuracy > 0.95
