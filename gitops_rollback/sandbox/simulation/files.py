"""The files of a simulated config repository, and what the truth knows of each: which words in them are faults."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace

POLICIES = ".gitops-rollback/policies"
CANARY = "canary-5f2c-do-not-tell"
POISON = "poison"  # an application that the engine cannot tell of

_DEPLOYMENT = """apiVersion: apps/v1
kind: Deployment
metadata:
  name: {name}
spec:
  template:
    spec:
      containers:
        - name: {name}
          image: registry.example/{name}:{version}{mark}
"""
_CONFIG = """apiVersion: v1
kind: ConfigMap
metadata:
  name: {name}
data:
  LEVEL: "{level}"
"""
_SECRET = f"""apiVersion: v1
kind: Secret
metadata:
  name: token
stringData:
  token: {CANARY}
"""
_CLAIM = """apiVersion: v1
kind: PersistentVolumeClaim
metadata:
  name: data
spec:
  accessModes: [ReadWriteOnce]
  resources: {{requests: {{storage: {size}Gi}}}}
"""
_POLICY = """# +argocd:skip-file-rendering
apiVersion: gitops-rollback.dev/v1alpha1
kind: RollbackPolicy
metadata: {{name: {name}}}
spec:{suspend}{writes}
  targets:
    - name: {name}
      application: {{namespace: {namespace}, name: {name}}}{engine}{depends}
      data: {{rollback: safe, because: each release reads what the next one wrote}}
  triggers:
    - name: errors
      query: errors{{service="$SERVICE"}}
      comparison: greater_than
      threshold: {threshold}
      for: {hold}s
      severity: {severity}{health}
  timing: {{interval: 15s, window: {window}m, initialDelay: 15s, cooldown: {cooldown}s}}
  delivery: {{syncTimeout: 5m{delivery}}}
  verification: {{startAfter: 0s, holdFor: 30s, timeout: 5m}}{cascade}
"""
_HEALTH = """
    - name: engine
      type: health
      states: [Degraded]
      for: 30s
      severity: {severity}"""
STRAIN_TRIGGER = """
    - name: strain
      query: strain{service="$SERVICE"}
      comparison: greater_than
      threshold: 0.3
      for: 60s
      severity: log_only"""
COUNTED_TRIGGERS = """
    - name: requests
      query: requests{service="$SERVICE"}
      comparison: greater_than
      threshold: 1000
      severity: log_only
    - name: rows
      query: rows{service="$SERVICE"}
      comparison: less_than
      threshold: 1
      severity: log_only"""
_PLACES = {"argocd": ("argocd", ""), "flux": ("flux-system", "\n      engine: flux")}  # of the engines' applications


@dataclass(frozen=True)
class PolicyText:
    """What a policy file says; `text` is the file."""

    name: str
    severity: str = "auto_rollback"
    threshold: float = 0.05
    hold: int = 30
    suspend: bool = False
    health: bool = False
    window: int = 10
    cooldown: int = 60
    engine: str = "argocd"
    automation: str = ""  # what it says of an image automation; "" is nothing
    strategies: str = ""  # what it says of plans of several commits
    needs: tuple[str, ...] = ()  # whom its application depends on
    depth: int | None = None  # how many levels of dependants go back by themselves; None: no word on cascades
    cascade: str = ""  # what it says of them
    promotes: bool = False  # it says that a promoter copies from staging
    merges: str = ""  # how the forge merges: merge, squash, rebase; "" is no word on a forge
    opens: bool = False  # always by pull request, whether the branch would take a push or not
    by_itself: bool = True  # what needs nobody's word is merged by the forge

    @property
    def path(self) -> str:
        return f"{POLICIES}/{self.name}.yaml"

    @property
    def allows(self) -> bool:
        """True if somebody may act by it without a person."""
        return self.severity == "auto_rollback" and not self.suspend and (self.threshold < 1 or self.health)

    @property
    def text(self) -> bytes:
        suspend = "\n  suspend: true" if self.suspend else ""
        health = _HEALTH.format(severity=self.severity) if self.health else ""
        health += STRAIN_TRIGGER if "stable:" in self.strategies else ""
        health += COUNTED_TRIGGERS if "type: migration" in self.strategies else ""
        writes = f"\n  onImageAutomation: {self.automation}" if self.automation else ""
        writes += self.strategies
        writes += "\n  promotion: {type: copy, from: {paths: [staging/]}}" if self.promotes else ""
        namespace, engine = _PLACES[self.engine]
        depends = f"\n      dependsOn: [{', '.join(self.needs)}]" if self.needs else ""
        words = {**self.__dict__, "suspend": suspend, "health": health, "namespace": namespace, "engine": engine}
        return _POLICY.format(**words, depends=depends, writes=writes, delivery=self._delivery).encode()

    @property
    def _delivery(self) -> str:
        if not self.merges:
            return ""
        mode = ", mode: pull-request" if self.opens else ""
        merging = str(self.by_itself).lower()
        return f"{mode}, pullRequest: {{mergeMethod: {self.merges}, autoMerge: {merging}}}"

    def disarmed(self, how: str) -> PolicyText:
        """The same policy made harmless: `suspend`, `severity` or `threshold`."""
        if how == "suspend":
            return replace(self, suspend=True)
        return replace(self, severity="page_and_suggest") if how == "severity" else replace(self, threshold=1e9)


def deployment(name: str, version: str, mark: str = "") -> bytes:
    """The workload; its image's tag may be a fault. `mark` stands behind the image, for who may write it."""
    return _DEPLOYMENT.format(name=name, version=version, mark=mark).encode()


def image_mark(policy: str, part: str = "") -> str:
    """What lets an image automation of Flux's write the value before it: the image that this policy selects."""
    return f' # {{"$imagepolicy": "flux-system:{policy}{part}"}}'


def without_marks(text: bytes) -> bytes:
    """The file without what stands behind its images for an automation: nothing of that is applied."""
    return _MARK.sub(b"", text)


def is_marked(text: bytes) -> bool:
    """True if an automation may write something in it."""
    return _MARK.search(text) is not None


def config(name: str, level: str) -> bytes:
    """The settings of the workload; their level may be a fault."""
    return _CONFIG.format(name=name, level=level).encode()


def claim(size: int) -> bytes:
    """A claim of the workload, which can only grow."""
    return _CLAIM.format(size=size).encode()


def first_files(names: tuple[str, ...]) -> dict[str, bytes]:
    """The repository's files at its first commit, without policies."""
    files = {"README.md": b"The shop\n", "base/common.yaml": config("common", "0")}
    for name in names:
        files[f"apps/{name}/deployment.yaml"] = deployment(name, "1.0")
        files[f"apps/{name}/config.yaml"] = config(name, "1")
        files[f"apps/{name}/secret.yaml"] = _SECRET.encode()
    return files


BASE_FILE = "base/common.yaml"


def overlay(name: str) -> dict[str, bytes]:
    """The kustomization that makes an application an overlay of the base."""
    files = ("deployment.yaml", "config.yaml", "secret.yaml", "../../base")
    return {
        f"apps/{name}/kustomization.yaml": f"resources: [{', '.join(files)}]\n".encode(),
        "base/kustomization.yaml": b"resources: [common.yaml]\n",
    }


FLEET_FILE = "fleet/values.yaml"


def fleet_values(version: str) -> bytes:
    """The file that all applications of the fleet read."""
    return f"image: registry.example/fleet:{version}\n".encode()


POISON_POLICIES: tuple[bytes, ...] = (
    b"spec: [" * 200,
    b"apiVersion: gitops-rollback.dev/v1alpha1\nkind: RollbackPolicy\nspec: &a {targets: *a}\n",
    b"\xff\xfe\x00",
    b"apiVersion: gitops-rollback.dev/v9\nkind: RollbackPolicy\nmetadata: {name: poison}\nspec: {}\n",
    b"",
)
SELECTS_NOTHING = (
    PolicyText("all")
    .text.replace(b"application: {namespace: argocd, name: all}", b"selector: {}")
    .replace(b"$SERVICE", b"$APPLICATION")
)
_MARK = re.compile(rb'[ \t]+#[ \t]*\{[ \t]*"\$imagepolicy"[^\n]*')
_IMAGE = re.compile(rb"image: (\S+:\S+)")
_WORDS = re.compile(rb"image: \S+:(\S+)|LEVEL: \"(\S+)\"")


def words_of(text: bytes) -> frozenset[str]:
    """The image tags and levels that a file names."""
    return frozenset((tag or level).decode() for tag, level in _WORDS.findall(text))


def images_of(text: bytes) -> frozenset[str]:
    """The images that a file names, with their tags."""
    return frozenset(image.decode() for image in _IMAGE.findall(text))
