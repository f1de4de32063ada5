"""Fixes as JSON: one array, or one line a fix while they come."""

import json
from collections.abc import Sequence
from pathlib import Path

from skyfix.files import write_json
from skyfix.localize.fix import Fix
from skyfix.outputs.text_stream import TextStream


def write_json_array(fixes: Sequence[Fix], path: Path | str) -> None:
    """Write all fixes as one JSON array, see ``Fix.to_json``."""
    write_json(path, [fix.to_json() for fix in fixes])


def write_json_lines(fixes: Sequence[Fix], path: Path | str) -> None:
    """Write one JSON object a line, see ``Fix.to_json``."""
    with JsonLines(path) as stream:
        for fix in fixes:
            stream.write(fix)


class JsonLines(TextStream):
    """Fixes as JSON, one object a line (jsonlines.org), see ``Fix.to_json``."""

    def text(self, fix: Fix) -> str:
        """One line."""
        return json.dumps(fix.to_json(), ensure_ascii=False, allow_nan=False) + "\n"
