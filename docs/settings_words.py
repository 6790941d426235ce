"""What each key at the top of the settings is for; `reference_pages` puts it beside the key."""

from __future__ import annotations

from collections.abc import Mapping

WORDS: Mapping[str, str] = {
    "repositories": "The config repositories: where policies lie and rollbacks land.",
    "argocd": "Argo CDs that are reached by their API.",
    "argocdObjects": "The Argo CD of the cluster, read and synced by its objects.",
    "flux": "The Flux of the cluster.",
    "kubernetes": "How the Kubernetes API is reached.",
    "leaderElection": "How replicas agree on who acts.",
    "metrics": "Metric sources; the first that serves an application's cluster is asked where its policy names none.",
    "alertmanagers": "Where triggers of type `alert` look; each that serves the application's cluster must answer.",
    "chartRepositories": "Where it is looked up whether a version of a Helm chart that would come back is still there.",
    "registries": "Where it is looked up whether an image that would come back is still there.",
    "allowOrigins": "What policies may connect to, besides what the settings name.",
    "allowHttp": "Let plain http be used beyond loopback.",
    "allowFileUrls": "Let a repository be a folder; for tests.",
    "secrets": "What policies may name in `secretRef`, each bound to the origins that it may be sent to.",
    "stateDir": "Where clones are kept; it may be lost at any time.",
    "bind": "Where probes and metrics answer, and webhooks unless `hooksBind` is set.",
    "hooks": "The doors of webhooks, each with a secret of its own.",
    "chat": "Who may press the buttons of messages in Slack.",
    "hooksBind": "Where webhooks are taken, if not on the port of the probes.",
    "paused": "true: nothing is done for any application.",
    "pausedUntil": "The same, until then.",
    "observe": "Decide in full and write nothing.",
    "shadow": "Observe beside a controller that acts, and tell nobody.",
    "observeOut": "Where an observing controller keeps its decisions.",
    "budgets": "Upper bounds of what happens by itself; a policy only narrows them.",
    "reversibleKinds": "Kinds, as `group/Kind`, whose changes may go back without a person, besides those known to.",
    "tenants": "What each team's policies may reach.",
    "notifications": "Who hears of everything, whatever a policy says.",
    "templates": "Titles and texts of messages, by event.",
    "handover": "When shifts begin, and are told what they must know.",
    "heartbeat": "The weekly commit that proves the way of a rollback.",
    "drills": "When the controller drills by itself, where policies say `drill: allowed`.",
    "statuses": "What is set at the forge on commits and pull requests.",
    "audit": "Who gets each line of the journal as it is written.",
    "commit": "Author and committer of our commits.",
    "dashboard": "Where the dashboard is served, and who may do more there than look.",
}
