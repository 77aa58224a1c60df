"""A trained method on images of any size: predictions of patches, tiles, stitched maps, folders as a stream."""
