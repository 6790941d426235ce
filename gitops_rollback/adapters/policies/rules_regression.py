"""Does a trigger of type regression count what it can compare, and are its peers a control?"""

from __future__ import annotations

import re
from collections.abc import Iterator

from gitops_rollback.adapters.policies.promql import is_plain_selector, template_errors
from gitops_rollback.adapters.policies.rules_shape import Found, forbidden, missing
from gitops_rollback.adapters.policies.view import View
from gitops_rollback.core.faults import shown
from gitops_rollback.core.query import used_variables
from gitops_rollback.core.regression.peers import MIN_PEERS

HISTOGRAM = re.compile(r"\s*[A-Za-z_:][\w:]*_bucket\s*(?:\{|$)", re.ASCII)
LABEL = re.compile(r"[A-Za-z_]\w*", re.ASCII)
MOST_PEERS = 20
OF_EACH_POD = frozenset({"pod", "pod_name", "instance", "container_id", "uid", "le"})  # and of each bucket


def counter_faults(trigger: View, kind: str, *keys: str) -> Iterator[Found]:
    """It subtracts or rates raw counters itself: what was summed or rated before hides resets and new series."""
    for key in keys:
        text = trigger.at(key).text
        if text and not template_errors(text) and not is_plain_selector(text):
            fix = 'write the plain selector, as in http_requests_total{service="$SERVICE"}'
            yield trigger.at(key).mark, f"`{key}` of a {kind} is no counter", fix


def regression_faults(trigger: View) -> Iterator[Found]:
    """What is wrong with one trigger's counters, or its histogram."""
    kind, query = "regression", trigger.at("query").text
    if trigger.has("query"):
        yield from forbidden(trigger, kind, "bad", "total")
        if query and not HISTOGRAM.match(query):
            fix = 'write its buckets, as in http_request_duration_seconds_bucket{service="$SERVICE"}'
            yield trigger.at("query").mark, "`query` of a regression is no histogram", fix
    else:
        yield from missing(trigger, kind, "bad", "total")
    yield from counter_faults(trigger, kind, "bad", "total", "query")
    label = trigger.at("regression", "version").text
    if label and not LABEL.fullmatch(label):
        yield trigger.at("regression", "version").mark, f"{shown(label)} is no label", "write it like pod_template_hash"
    if label in OF_EACH_POD:
        fix = "name one that all Pods of a version share, such as pod_template_hash"
        yield trigger.at("regression", "version").mark, f"`{label}` tells no versions apart", fix


def peer_faults(spec: View) -> Iterator[Found]:
    """What is wrong with the peers of triggers: too few, or the same for all."""
    targets = [target.at("name").text for target in spec.at("targets").items]
    for trigger in spec.at("triggers").items:
        peers = trigger.at("regression", "peers")
        if not peers.here:
            continue
        named = {peer.text for peer in peers.items if peer.text}
        if any(len(named - {target}) < MIN_PEERS for target in targets) or len(named) > MOST_PEERS:
            fix = f"name {MIN_PEERS} to {MOST_PEERS} services that share its troubles, besides itself"
            yield peers.mark, f"{len(named)} `peers` are no control", fix
        if trigger.has("query"):
            yield peers.mark, "the peers of a histogram are not counted", "use `bad` and `total`"
        for key in ("bad", "total"):
            text = trigger.at(key).text
            if text and not template_errors(text) and "SERVICE" not in used_variables(text):
                yield trigger.at(key).mark, f"`{key}` would be the same for every peer", "select by $SERVICE"
