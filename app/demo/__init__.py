"""The whole main job over HTTP, on real data, in a terminal."""
