"""The client for asyncio: the names of the one without, where they are explained, to be awaited."""
