"""Code that commands share: options, a run's parts and folder, loading a run, segmenters, stages, results, maps."""
