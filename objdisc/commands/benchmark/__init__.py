"""Speed and memory of this machine's runs, as ratios within one run."""
