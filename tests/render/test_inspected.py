"""The sheet of inspect: every image is there, its regions are outlined and its classes' borders are white."""

import numpy as np

from objdisc.imaging.masks import region_from_mask
from objdisc.render.inspected import InspectedImage, inspection_sheet
from objdisc.types import Region


def test_regions_are_outlined_with_masks_and_as_boxes() -> None:
    grey = np.full((120, 160, 3), 128, np.uint8)
    mask = np.zeros((120, 160), np.bool_)
    mask[20:60, 30:90] = True
    labels = np.zeros((120, 160), np.uint8)
    labels[100:] = 1
    images = [
        InspectedImage("nothing", grey, []),
        InspectedImage("a mask", grey, [region_from_mask(mask)]),
        InspectedImage("a box", grey, [Region((30, 20, 60, 40), 2400)]),
        InspectedImage("classes", grey, [], labels),
    ]
    sheet = inspection_sheet(images)
    assert sheet.shape[1] == 12 + 3 * 492
    cells = [
        sheet[12 + row * 404 : 372 + row * 404, 12 + 492 * column :][:, :480]
        for row, column in ((0, 0), (0, 1), (0, 2))
    ]
    factor = 3  # 160 pixels become 480
    assert (cells[0] == 128).all()
    for cell in cells[1:]:
        changed = (cell != 128).any(-1)
        rows, columns = np.nonzero(changed)
        assert abs(rows.min() - 20 * factor) <= 4
        assert abs(columns.min() - 30 * factor) <= 4
        assert not changed[25 * factor : 55 * factor, 35 * factor : 85 * factor].any(), "only the outline is drawn"
    below = sheet[12 + 404 : 12 + 404 + 360, 12:492]
    assert (below[100 * factor] == 255).all()
    assert (below[: 99 * factor] == 128).all()


def test_small_sheets_of_images_of_any_shape() -> None:
    tall = InspectedImage("tall", np.zeros((900, 20, 3), np.uint8), [])
    tiny = InspectedImage("tiny", np.zeros((1, 1, 3), np.uint8), [])
    assert inspection_sheet([tall]).shape == (12 + 360 + 32 + 12, 12 + 492, 3)
    assert inspection_sheet([tall, tiny]).shape[1] == 12 + 2 * 492
