"""The built-in world: a made-up town and views of it."""
