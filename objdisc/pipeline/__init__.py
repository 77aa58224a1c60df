"""What commands share: options, a run's parts and its folder, loading a run, segmenters, stages, results and maps."""
