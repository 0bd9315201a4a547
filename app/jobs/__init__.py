"""Training jobs: asked for, queued, run, watched."""
