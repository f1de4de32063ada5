"""A client of `skyfix serve`: the galleries, and where a photo was taken.

python examples/service_client.py http://127.0.0.1:8652 photo.jpg [KEY]
"""

import sys
from pathlib import Path
from typing import Any

import httpx2


class Client:
    """Talks to the service at ``url``; ``key`` is what it was started with, if it was."""

    def __init__(self, url: str, key: str | None = None) -> None:
        headers = {"Authorization": f"Bearer {key}"} if key else {}
        self._http = httpx2.Client(base_url=url, headers=headers, timeout=300)

    def galleries(self) -> list[dict[str, Any]]:
        """What can be searched."""
        return self._checked(self._http.get("/v1/galleries"))["galleries"]

    def locate(self, photo: Path, **fields: float | str) -> dict[str, Any]:
        """The fix of a photo; fields as docs/service.md names them, such as ``pitch_deg=-60``."""
        with photo.open("rb") as stream:
            files = {"photo": (photo.name, stream)}
            return self._checked(self._http.post("/v1/fixes", files=files, data=fields))

    @staticmethod
    def _checked(answer: httpx2.Response) -> dict[str, Any]:
        content: dict[str, Any] = answer.json()
        if answer.is_error:
            raise SystemExit(f"{answer.status_code}: {content['detail']}")
        return content


if __name__ == "__main__":
    client = Client(sys.argv[1], *sys.argv[3:4])
    print("Galleries:", ", ".join(one["name"] for one in client.galleries()))
    fix = client.locate(Path(sys.argv[2]))
    print(f"{fix['lon']:.6f} {fix['lat']:.6f}" if fix["located"] else fix["reason"])
