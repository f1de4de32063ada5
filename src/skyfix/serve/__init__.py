"""Galleries over HTTP: photos and videos in, fixes and tracks out, and a map page to look at them.

Start it with ``skyfix serve``; docs/service.md describes the interface.
"""
