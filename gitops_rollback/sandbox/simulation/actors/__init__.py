"""Who else is in the world? One small file each; an actor plans its own deeds, and does nothing once it is calm."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from gitops_rollback.sandbox.simulation.actors.armer import Armer
from gitops_rollback.sandbox.simulation.actors.base import Base
from gitops_rollback.sandbox.simulation.actors.clock import Clock
from gitops_rollback.sandbox.simulation.actors.colleague import Colleague
from gitops_rollback.sandbox.simulation.actors.developer import Developer
from gitops_rollback.sandbox.simulation.actors.doubter import Doubter
from gitops_rollback.sandbox.simulation.actors.editor import Editor
from gitops_rollback.sandbox.simulation.actors.engine_trouble import EngineTrouble
from gitops_rollback.sandbox.simulation.actors.fleet import Fleet
from gitops_rollback.sandbox.simulation.actors.flux_trouble import FluxTrouble
from gitops_rollback.sandbox.simulation.actors.forcer import Forcer
from gitops_rollback.sandbox.simulation.actors.forger import Forger
from gitops_rollback.sandbox.simulation.actors.marker import Marker
from gitops_rollback.sandbox.simulation.actors.metric_troubles import Flapper, Gaps, Liar, Outage, Scrapes
from gitops_rollback.sandbox.simulation.actors.one_way import OneWay
from gitops_rollback.sandbox.simulation.actors.pipeline import Pipeline
from gitops_rollback.sandbox.simulation.actors.promoter import Promoter
from gitops_rollback.sandbox.simulation.actors.publisher import Publisher
from gitops_rollback.sandbox.simulation.actors.releaser import Releaser
from gitops_rollback.sandbox.simulation.actors.rescuer import Rescuer
from gitops_rollback.sandbox.simulation.actors.reverter import Reverter
from gitops_rollback.sandbox.simulation.actors.rules import Rules
from gitops_rollback.sandbox.simulation.actors.stopper import Stopper
from gitops_rollback.sandbox.simulation.actors.sweeper import Sweeper
from gitops_rollback.sandbox.simulation.actors.syncer import Syncer
from gitops_rollback.sandbox.simulation.actors.updater import Updater
from gitops_rollback.sandbox.simulation.actors.zone import Zone
from gitops_rollback.sandbox.simulation.replica import Replica
from gitops_rollback.sandbox.simulation.world import World

Actor = Callable[[World, Sequence[Replica]], object]

DEVELOPER: Actor = Developer
OTHERS: Mapping[str, Actor] = {
    "armer": Armer,
    "base": Base,
    "clock": Clock,
    "colleague": Colleague,
    "doubter": Doubter,
    "editor": Editor,
    "engine-trouble": EngineTrouble,
    "flapper": Flapper,
    "fleet": Fleet,
    "flux-trouble": FluxTrouble,
    "forcer": Forcer,
    "forger": Forger,
    "gaps": Gaps,
    "liar": Liar,
    "marker": Marker,
    "one-way": OneWay,
    "outage": Outage,
    "pipeline": Pipeline,
    "promoter": Promoter,
    "publisher": Publisher,
    "releaser": Releaser,
    "rescuer": Rescuer,
    "reverter": Reverter,
    "rules": Rules,
    "scrapes": Scrapes,
    "stopper": Stopper,
    "sweeper": Sweeper,
    "syncer": Syncer,
    "updater": Updater,
    "zone": Zone,
}
