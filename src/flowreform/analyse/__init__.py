"""Questions asked of runs: assessment, battery, fits, laws, sensitivity."""
