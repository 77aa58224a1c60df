"""The classes of COCO-Stuff: 182 fine ones below 27 coarse ones (label hierarchy of Caesar et al., CVPR 2018)."""

from collections.abc import Mapping, Sequence

# Coarse classes in the numbering of invariant information clustering: 12 of things, then 15 of stuff.
_THINGS: Mapping[str, str] = {
    "electronic": "tv, laptop, mouse, remote, keyboard, cell phone",
    "appliance": "microwave, oven, toaster, sink, refrigerator, blender",
    "food": "banana, apple, sandwich, orange, broccoli, carrot, hot dog, pizza, donut, cake",
    "furniture": "chair, couch, potted plant, bed, mirror, dining table, window, desk, toilet, door",
    "indoor": "book, clock, vase, scissors, teddy bear, hair drier, toothbrush, hair brush",
    "kitchen": "bottle, plate, wine glass, cup, fork, knife, spoon, bowl",
    "accessory": "hat, backpack, umbrella, shoe, eye glasses, handbag, tie, suitcase",
    "animal": "bird, cat, dog, horse, sheep, cow, elephant, bear, zebra, giraffe",
    "outdoor": "traffic light, fire hydrant, street sign, stop sign, parking meter, bench",
    "person": "person",
    "sports": (
        "frisbee, skis, snowboard, sports ball, kite, baseball bat, baseball glove, skateboard, surfboard, "
        "tennis racket"
    ),
    "vehicle": "bicycle, car, motorcycle, airplane, bus, train, truck, boat",
}
_STUFF: Mapping[str, str] = {
    "ceiling": "ceiling-tile, ceiling-other",
    "floor": "carpet, floor-tile, floor-wood, floor-marble, floor-stone, floor-other",
    "food": "fruit, salad, vegetable, food-other",
    "furniture": (
        "door-stuff, desk-stuff, table, shelf, cabinet, cupboard, mirror-stuff, counter, light, stairs, furniture-other"
    ),
    "raw material": "cardboard, paper, plastic, metal",
    "textile": "rug, mat, towel, napkin, clothes, cloth, curtain, blanket, pillow, banner, textile-other",
    "wall": "wall-tile, wall-panel, wall-wood, wall-brick, wall-stone, wall-concrete, wall-other",
    "window": "window-blind, window-other",
    "building": "house, skyscraper, bridge, tent, roof, building-other",
    "ground": ("sand, snow, dirt, mud, gravel, road, pavement, railroad, platform, playingfield, ground-other"),
    "plant": "grass, tree, bush, leaves, flower, branch, moss, straw, plant-other",
    "sky": "clouds, sky-other",
    "solid": "wood, rock, stone, mountain, hill, solid-other",
    "structural": "fence, cage, net, railing, structural-other",
    "water": "fog, river, sea, waterdrops, water-other",
}
# Fine ids 0 to 90 are things in this order of their groups, 91 to 181 are stuff in alphabetical order.
_THING_ORDER = (
    "person", "vehicle", "outdoor", "animal", "accessory", "sports",
    "kitchen", "food", "furniture", "electronic", "appliance", "indoor",
)  # fmt: skip

_FINE_THINGS = [name for coarse in _THING_ORDER for name in _THINGS[coarse].split(", ")]
_FINE_STUFF = sorted(name for names in _STUFF.values() for name in names.split(", "))
FINE_NAMES: Sequence[str] = (*_FINE_THINGS, *_FINE_STUFF)
NUM_FINE = len(FINE_NAMES)

THINGS: Sequence[str] = tuple(f"{coarse} (thing)" for coarse in _THINGS)
COARSE_NAMES: Sequence[str] = (*THINGS, *_STUFF)

_COARSE_OF = {
    name: number for number, names in enumerate([*_THINGS.values(), *_STUFF.values()]) for name in names.split(", ")
}
COARSE_IDS: Sequence[int] = tuple(_COARSE_OF[name] for name in FINE_NAMES)  # by fine id
