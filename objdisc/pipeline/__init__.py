"""What commands share: options, a run's parts and its folder, loading a run, stages, results and maps."""
