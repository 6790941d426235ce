"""What goes wrong on the wire, and for how long? HTTP faults of the three servers, one of each kind at a time."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from gitops_rollback.sandbox.git_server import Operation
from gitops_rollback.sandbox.prometheus import Fault
from gitops_rollback.sandbox.simulation.wire.world import World

CODES = (429, 500, 502, 503)
FULL = "application/json"
METRICS = {
    "503": Fault.ERROR,
    "empty": Fault.EMPTY,
    "nan": Fault.NAN,
    "warnings": Fault.WARNINGS,
    "html": Fault.HTML,
    "elsewhere": Fault.ELSEWHERE,
}
OF_PUSHES = ("cut", "late-status", "hang")  # these wait for a push, which is rare
LURES = ("elsewhere",)
WAYS = (Operation.ADVERTISE_FETCH, Operation.FETCH, Operation.ADVERTISE_PUSH, Operation.PUSH, Operation.ANY)


class Troubles:
    """Strikes and mends, until the world is calm."""

    def __init__(self, world: World) -> None:
        self._world, self._random = world, world.random("troubles")
        self._hung = 0
        setup = world.setup
        plans: Mapping[str, tuple[tuple[str, ...], Callable[[str], None], Callable[[], None]]] = {
            "git": (setup.git, self._git, self._mend_git),
            "engine": (setup.engine, self._engine, self._mend_engine),
            "metrics": ((*setup.metrics, *LURES) if setup.lures else setup.metrics, self._metrics, self._mend_metrics),
        }
        for place, (kinds, strike, mend) in plans.items():
            if kinds:
                world.after(self._random.uniform(20, 300), self._turn(place, kinds, strike, mend))

    def calm(self) -> None:
        """All works again, for good."""
        for mend in (self._mend_git, self._mend_engine, self._mend_metrics):
            mend()

    def _turn(
        self, place: str, kinds: tuple[str, ...], strike: Callable[[str], None], mend: Callable[[], None]
    ) -> Callable[[], None]:
        def mended() -> None:
            mend()
            self._world.tell(place, "works again")
            self._world.stir()

        def struck() -> None:
            if self._world.calm:
                return
            kind = self._random.choice(kinds)
            self._world.tell(place, f"trouble: {kind}")
            strike(kind)
            lasts = self._random.choice((20.0, 45.0, 100.0, 240.0)) * (4 if kind in OF_PUSHES else 1)
            self._world.after(lasts, mended)
            self._world.after(lasts + self._random.uniform(60, 500), struck)

        return struck

    def _git(self, kind: str) -> None:
        git, times = self._world.git, self._random.randint(1, 4)
        code, way = self._random.choice(CODES), self._random.choice(WAYS)
        if kind == "cut":
            git.cut_reply(self._random.randint(1, 2))
        elif kind == "status":
            git.status(code, {"Retry-After": "1"} if code == 429 else None, on=way, times=times)
        elif kind == "late-status":
            git.status(502, on=Operation.PUSH, times=1, after=True)
        elif self._hung < 1:  # each costs a real wait
            self._hung += 1
            if kind == "slow":
                git.drip(on=Operation.FETCH)
            else:
                git.hang(on=Operation.PUSH, after=self._random.random() < 0.5)

    def _mend_git(self) -> None:
        self._world.git.release()
        self._world.git.wait_until_idle(30.0)
        self._world.look(late=True)  # a push that hung may have landed only now

    def _engine(self, kind: str) -> None:
        argocd = self._world.argocd
        if kind == "401":
            argocd.answer(401, '{"error":"no session information","code":16,"message":"no session information"}')
        elif kind == "503":
            argocd.answer(503, "upstream connect error", "text/plain")
        elif kind == "html":
            argocd.html_login(True)
        elif kind == "truncated":
            argocd.answer(200, '{"metadata":{"resourceVersion":"77"},"items":[{"metadata":', FULL)
        else:
            argocd.stale(True)

    def _mend_engine(self) -> None:
        self._world.argocd.reset()

    def _metrics(self, kind: str) -> None:
        self._world.several = kind == "several"
        self._world.prometheus.fault = METRICS.get(kind, Fault.NONE)

    def _mend_metrics(self) -> None:
        self._world.several = False
        self._world.prometheus.fault = Fault.NONE
