"""A trained method on images of any size: predictions for patches, tiles, stitched maps, streams of folders."""
