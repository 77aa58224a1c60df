"""Which source of regions is taken where none is named."""

from objdisc.objectness.base import ObjectnessSource
from objdisc.objectness.foreground import Foreground
from objdisc.objectness.instances import Instances
from objdisc.objectness.whole import Whole
from objdisc.objectness.windows import Windows

AUTOMATIC: tuple[type[ObjectnessSource], ...] = (Instances, Foreground, Whole, Windows)
"""Sources that can do without arguments, the most exact first: the first one that ``serves`` a data set is taken.

The last one serves any: it looks for objects where nobody says where they are."""
