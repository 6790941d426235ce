"""Was the Job that moves data back written for the release that goes back, or for an earlier one?"""

from __future__ import annotations

import pytest

from gitops_rollback.core.policy import FileField, JobStep, Workload
from gitops_rollback.core.strategies.written_for import For, JobText, job_text, written_for

STEP = JobStep(FileField("apps/web/kustomization.yaml", "resources[1]"), "back.yaml", Workload("Job", "shop", "back"))
JOB = """\
apiVersion: batch/v1
kind: Job
metadata: {name: back, namespace: shop}
spec: {template: {spec: {containers: [{name: sql, image: "registry.example/web:1.1", args: [down]}]}}}
"""
LIST = "resources: [web.yaml, forward.yaml]\n"


def text(job: str = JOB, listed: str = LIST) -> JobText | None:
    files = {"apps/web/back.yaml": job.encode(), "apps/web/kustomization.yaml": listed.encode()}
    return job_text(files.get, STEP)


def test_a_job_that_is_as_it_was_when_data_was_moved_before_is_of_the_release_before() -> None:
    assert written_for(text(JOB + "# read by ann\n"), text(), True) is For.EARLIER
    assert written_for(text(JOB.replace("down", "down-2")), text(), True) is For.THIS
    assert written_for(text(), None, True) is For.THIS  # it came since
    assert written_for(text(), text(), False) is For.THIS  # nobody ever moved data before
    assert written_for(text(), text(), None) is For.UNKNOWN


@pytest.mark.parametrize(
    ("job", "listed"),
    [
        (JOB, LIST + "images: [{name: registry.example/web, newTag: '1.2'}]\n"),
        (JOB.replace("args: [down]", "envFrom: [{configMapRef: {name: down}}]"), LIST),
    ],
    ids=["another version of its image", "what stands in a ConfigMap"],
)
def test_where_other_files_say_what_the_job_runs_its_text_alone_does_not_tell(job: str, listed: str) -> None:
    assert written_for(text(job, listed), text(job, listed), True) is For.UNKNOWN


@pytest.mark.parametrize("job", [JOB.replace("namespace: shop", "namespace: other"), "{{ template }}", "a: [", ""])
def test_a_job_that_is_not_seen_is_nobodys(job: str) -> None:
    assert text(job) is None
    assert written_for(None, text(), True) is For.UNKNOWN


def test_a_job_whose_own_annotation_lets_it_run_is_found_in_that_file() -> None:
    step = JobStep(
        FileField("apps/web/back.yaml", "metadata.annotations.hook"), "Sync", Workload("Job", "shop", "back")
    )
    assert job_text({"apps/web/back.yaml": JOB.encode()}.get, step) == text()
