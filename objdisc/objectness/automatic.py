"""Which source of regions is taken where none is named."""

from objdisc.objectness.base import ObjectnessSource
from objdisc.objectness.foreground import Foreground
from objdisc.objectness.instances import Instances
from objdisc.objectness.tree import Tree
from objdisc.objectness.whole import Whole

AUTOMATIC: tuple[type[ObjectnessSource], ...] = (Instances, Foreground, Whole, Tree)
"""Sources that can do without arguments, the most exact first: the first one that ``serves`` a data set is taken.

The last one serves any: it looks for objects where nobody says where they are."""
