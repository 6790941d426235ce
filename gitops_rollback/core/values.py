"""May a change of a plain document (Helm values, a kustomization, a chart) go back without knowing what it renders?

Changed single values may: an image tag, a limit, a flag. What makes objects come or go, or names where data and rights
live, may not. Source: safety.md, Irreversible; kustomize's `kustomization.yaml` fields.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Collection, Mapping

from gitops_rollback.core.differences import Difference
from gitops_rollback.core.manifest_text import Value

# Names of keys, or words in them, that lead to data, rights, names or kinds.
SENSITIVE_WORDS = re.compile(
    r"secret|secrets|password|passwords|passwd|credential|credentials|rbac|role|roles|persistence|persistent|"
    r"pvc|claim|claims|volume|volumes|storage|statefulset|migration|migrations|migrate|namespace|namespaces|"
    r"crd|crds|kind|certificate|certificates|issuer|webhook|webhooks|backup|backups"
)
SENSITIVE_NAMES = re.compile(
    r"selector|networkpolicy|clusterrole|storageclass|apiversion|matchlabels|selectorlabels|commonlabels|nameoverride|"
    r"fullnameoverride|releasename|nameprefix|namesuffix|extradeploy|extraobjects|extramanifests|manifests|"
    r"apikey|privatekey|token|tokens"
)
STATEFUL = re.compile(
    r"database|databases|db|postgresql|postgres|mysql|mariadb|mongodb|mongo|redis|valkey|kafka|zookeeper|"
    r"rabbitmq|elasticsearch|opensearch|cassandra|clickhouse|cockroachdb|etcd|minio|nats|vault|consul|influxdb"
)
SWITCHES = frozenset({"enabled", "enable", "disabled", "create", "install", "deploy"})
CHART_FREE = frozenset(
    {"version", "appVersion", "description", "annotations", "maintainers", "icon", "home", "keywords"}
)
KUSTOMIZATION_FREE = frozenset({"images", "replicas", "commonAnnotations", "apiVersion", "kind", "metadata"})
KUSTOMIZATION_LISTS = frozenset({"resources", "bases", "components"})
_WORD = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z0-9]+")


def risk(difference: Difference) -> str:
    """Why this change of a values document needs a person, as half a sentence; "" if it may go back by itself."""
    for segment in difference.path:
        words = {word.lower() for word in _WORD.findall(segment)}
        if any(SENSITIVE_WORDS.fullmatch(word) for word in words) or SENSITIVE_NAMES.fullmatch(_squeezed(segment)):
            return f"{difference.dotted} decides about data, rights, names or kinds"
    if any(STATEFUL.fullmatch(_squeezed(segment)) for segment in difference.path[:-1]):
        return f"{difference.dotted} belongs to something that keeps data"
    leaf = difference.path[-1].lower() if difference.path else ""
    if leaf in SWITCHES or difference.path[-2:] == ("service", "type"):
        return f"{difference.dotted} makes objects come or go"
    if not difference.scalar and not _pairs(difference) and not _image(difference):
        return f"{difference.dotted} comes or goes as a whole"
    if any(isinstance(side, str) and "kind:" in side for side in (difference.before, difference.after)):
        return f"{difference.dotted} holds whole objects"
    return ""


def chart_risk(difference: Difference) -> str:
    """The same for a `Chart.yaml`: its own version may go back, its dependencies bring unknown kinds."""
    if difference.path and difference.path[0] in CHART_FREE:
        return ""
    return f"{difference.dotted} of the chart brings objects of unknown kinds"


def kustomization_risk(difference: Difference, directory: str, in_plan: Collection[str]) -> str:
    """The same for a kustomization in `directory`. `in_plan` are the files that appear or disappear with the plan.

    An entry of `resources` may come or go if it names such a file, whose objects are judged by themselves.
    """
    top = difference.path[0] if difference.path else ""
    if top == "images":
        return _image_risk(difference)
    if top in KUSTOMIZATION_FREE:
        return ""
    if top in KUSTOMIZATION_LISTS:
        entries = [one for side in (difference.before, difference.after) for one in _strings(side)]
        unseen = [one for one in entries if posixpath.normpath(posixpath.join(directory, one)) not in in_plan]
        return f"{top} would gain or lose {unseen[0]}, whose objects are not seen" if unseen or not entries else ""
    if top == "configMapGenerator" and len(difference.path) > 2:
        return ""
    return f"{difference.dotted} of the kustomization changes objects of unknown kinds"


def is_json_patch(document: Value) -> bool:
    """True for a JSON 6902 patch, whose target stands elsewhere."""
    return isinstance(document, tuple) and any(isinstance(one, dict) and "op" in one for one in document)


def stateful_image(name: str) -> bool:
    """True if the image's own name is that of a known store."""
    return STATEFUL.fullmatch(_squeezed(name.rpartition("/")[2].partition(":")[0].partition("@")[0])) is not None


def _image_risk(difference: Difference) -> str:
    named = [difference.path[1]] if len(difference.path) > 1 else []
    for side in (difference.before, difference.after):
        named += [str(one) for one in side.values()] if isinstance(side, Mapping) else list(_strings(side))
    store = next((name for name in named if stateful_image(name)), "")
    return f"image {store} belongs to something that keeps data" if store else ""


def _squeezed(segment: str) -> str:
    return re.sub(r"[^a-z0-9]", "", segment.lower())


def _strings(value: Value) -> tuple[str, ...]:
    if isinstance(value, str):
        return (value,)
    return tuple(one for one in value if isinstance(one, str)) if isinstance(value, tuple) else ()


def _pairs(difference: Difference) -> bool:
    """True if what comes or goes is a pair of name and value, as in a container's environment."""
    sides = [side for side in (difference.before, difference.after) if side is not None]
    return all(isinstance(side, dict) and side.keys() == {"name", "value"} for side in sides)


def _image(difference: Difference) -> bool:
    """True if what comes or goes is an image's override: single values only, such as `image: {tag: v2}`."""
    sides = [side for side in (difference.before, difference.after) if side is not None]
    plain = all(isinstance(side, dict) and all(isinstance(one, str) for one in side.values()) for side in sides)
    return plain and difference.path[-1:] == ("image",)
