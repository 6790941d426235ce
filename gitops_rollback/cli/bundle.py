"""`doctor --bundle`: one file to hand on when something does not work, without any secret in it.

It holds versions, the settings, what the doctor found and reports of crashes. Secrets are taken out twice: settings
show none by themselves, and what stands anywhere else in the words of one of them is blanked.
"""

from __future__ import annotations

import io
import json
import os
import platform
import tarfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from datetime import datetime
from pathlib import Path
from typing import Any
from urllib.parse import quote

from gitops_rollback import __version__
from gitops_rollback.adapters.log import Redaction
from gitops_rollback.app.checkup import Finding
from gitops_rollback.app.origins import origin_of
from gitops_rollback.app.settings import Settings
from gitops_rollback.cli.crash import crash_reports, git_version, package_versions
from gitops_rollback.core.errors import SettingsInvalid
from gitops_rollback.core.repository_url import without_credentials

MOST_REPORTS = 3


def write_bundle(
    path: Path, settings: Settings, findings: Sequence[Finding], environ: Mapping[str, str], now: datetime
) -> tuple[str, ...]:
    """Write the archive (tar, gzip), for its owner alone to read, and return the names of what is in it.

    Raises: SettingsInvalid for a file that is there already, or cannot be written.
    """
    redaction = Redaction(form for text in settings.secret_values for form in _forms(text))
    parts = {name: _clean(text, redaction) for name, text in _parts(settings, findings, environ, now)}
    try:
        made = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(made, "wb") as file, tarfile.open(fileobj=file, mode="w:gz") as archive:
            for name, text in parts.items():
                content = text.encode()
                entry = tarfile.TarInfo(f"gitops-rollback-bundle/{name}")
                entry.size, entry.mode, entry.mtime = len(content), 0o600, int(now.timestamp())
                archive.addfile(entry, io.BytesIO(content))
    except OSError as error:
        raise SettingsInvalid(str(path), f"cannot be written: {error.strerror}") from error
    return tuple(parts)


def _parts(
    settings: Settings, findings: Sequence[Finding], environ: Mapping[str, str], now: datetime
) -> Iterator[tuple[str, str]]:
    names = sorted(name for name in environ if name.startswith(("GITOPS_ROLLBACK_", "ARGOCD_")))
    about = {
        "gitops-rollback": __version__,
        "python": platform.python_version(),
        "system": platform.platform(terse=True),
        "git": git_version(),
        "packages": package_versions(),
        "variables": names,
        "at": now.isoformat(timespec="seconds"),
    }
    yield "about.json", _json(about)
    yield "settings.json", _json(redacted(settings))
    yield "doctor.json", _json([asdict(one) for one in findings])
    for report in crash_reports(environ)[-MOST_REPORTS:]:
        yield report.name, report.read_text("utf-8", "replace")


def redacted(settings: Settings, by_alias: bool = False, exclude_defaults: bool = False) -> dict[str, Any]:
    """The settings as a document. Secrets are stars, and of a receiver's address only the origin is there."""
    document = settings.model_dump(mode="json", by_alias=by_alias, exclude_defaults=exclude_defaults)
    for place in (*document.get("notifications", ()), *(document.get("audit") or ())):
        if place.get("url"):
            place["url"] = origin_of(place["url"])
    return document


def _forms(secret: str) -> Iterator[str]:
    """A secret as it may stand in a document or an address."""
    yield secret
    yield json.dumps(secret, ensure_ascii=False)[1:-1]
    yield quote(secret, safe="")


def _json(document: object) -> str:
    return json.dumps(document, indent=2, ensure_ascii=False, default=str) + "\n"


def _clean(text: str, redaction: Redaction) -> str:
    return "\n".join(without_credentials(redaction.clean(line)) for line in text.splitlines()) + "\n"
