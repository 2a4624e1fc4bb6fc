"""Serves the page's files from memory, compressed once: some sixty small modules load at a time."""

from __future__ import annotations

import gzip
import mimetypes
from pathlib import Path, PurePosixPath
from typing import Final, NamedTuple

from starlette.concurrency import run_in_threadpool
from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from overflight_ground.http.negotiation import is_known

INDEX: Final = "index.html"
WORTH_COMPRESSING: Final = 500
_TYPES: Final = {".js": "text/javascript", ".json": "application/json", ".svg": "image/svg+xml"}


class PageFile(NamedTuple):
    """One file as it is sent; `changed` is its time and size, so that a new one is read anew."""

    changed: tuple[int, int]
    plain: bytes
    small: bytes | None
    media_type: str

    @property
    def etag(self) -> str:
        """Return what names this version of the file, compressed or not."""
        return 'W/"{:x}-{:x}"'.format(*self.changed)


class PageFiles:
    """An ASGI application for GET and HEAD of the files in a folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._files: dict[str, PageFile] = {}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request; `HTTPException` where there is no such file."""
        if scope["method"] not in ("GET", "HEAD"):
            raise HTTPException(405, "Method Not Allowed", {"Allow": "GET, HEAD"})
        file = await self._file(_name(scope))
        await _reply(file, Headers(scope=scope))(scope, receive, send)

    async def _file(self, name: str) -> PageFile:
        path = self._folder / name
        try:
            stat = path.stat()
        except (OSError, ValueError) as error:
            raise HTTPException(404, "Not Found") from error
        changed = (stat.st_mtime_ns, stat.st_size)
        known = self._files.get(name)
        if known is None or known.changed != changed:
            if not path.is_file():
                raise HTTPException(404, "Not Found")
            known = await run_in_threadpool(read_file, path, changed)
            self._files[name] = known
        return known


def _name(scope: Scope) -> str:
    """Return the path below the folder; nothing leads out of it."""
    path: str = scope["path"].removeprefix(scope.get("root_path", "")).lstrip("/")
    if ".." in PurePosixPath(path).parts or "\\" in path:
        raise HTTPException(404, "Not Found")
    return path or INDEX


def read_file(path: Path, changed: tuple[int, int]) -> PageFile:
    """Read and compress a file."""
    plain = path.read_bytes()
    packed = gzip.compress(plain, 9, mtime=0) if len(plain) >= WORTH_COMPRESSING else plain
    small = packed if len(packed) < len(plain) else None
    media_type = _TYPES.get(path.suffix) or mimetypes.guess_type(path.name)[0] or "text/plain"
    return PageFile(changed, plain, small, media_type)


def _reply(file: PageFile, wanted: Headers) -> Response:
    headers = {"ETag": file.etag, "Cache-Control": "no-cache", "Vary": "Accept-Encoding"}
    if is_known(wanted.get("if-none-match", ""), file.etag):
        return Response(status_code=304, headers=headers)
    body = file.plain
    if file.small is not None and "gzip" in wanted.get("accept-encoding", ""):
        body = file.small
        headers["Content-Encoding"] = "gzip"
    return Response(body, media_type=file.media_type, headers=headers)
