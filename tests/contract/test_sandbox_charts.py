"""Which objects the sandbox takes a Helm chart to ask for, and what it refuses to render."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pytest

from gitops_rollback.sandbox.charts import ChartError, load_chart, merged, render_chart

DESCRIBED = "apiVersion: v2\nname: bill\nversion: 0.1.0\nappVersion: '7'\n"
MAP = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: bill}\ndata:\n"


class Files:
    """Files by their path."""

    def __init__(self, files: Mapping[str, str]) -> None:
        self._files = files

    def files(self, under: str) -> Sequence[str]:
        return sorted(name for name in self._files if name.startswith(f"{under}/"))

    def read(self, paths: Sequence[str]) -> Mapping[str, bytes]:
        return {path: self._files[path].encode() for path in paths if path in self._files}


def chart_of(template: str, values: str = "", **more: str) -> Files:
    files = {"Chart.yaml": DESCRIBED, "values.yaml": values, "templates/map.yaml": MAP + template, **more}
    return Files({f"charts/bill/{name}": text for name, text in files.items()})


def data_of(template: str, values: str = "", given: Mapping[str, object] | None = None) -> object:
    chart = load_chart(chart_of(template, values), "./charts/bill")
    (found,) = render_chart(chart, given or {}, "fleet-bill", "fleet").manifests
    return found["data"]


@pytest.mark.parametrize(
    ("template", "value"),
    [
        ("{{ .Values.image.tag }}", "v1"),
        ("{{ .Values.image.tag | quote }}", "v1"),
        (" {{- /* said to nobody */}} {{ .Release.Name }}.{{ .Release.Namespace }}", "fleet-bill.fleet"),
        ("{{ .Chart.Name }}-{{ .Chart.Version }}-{{ .Chart.AppVersion }}", "bill-0.1.0-7"),
        ('{{ .Values.none | default "some" }}', "some"),
        ('{{ default "some" .Values.image.tag }}', "v1"),
        ("{{ .Values.none }}x", "x"),
        ("{{ .Values.enabled | quote }}", "true"),
        ("{{ .Values.image.tag | trunc 1 }}", "v"),
        ("{{- toYaml .Values.image | nindent 4 }}", {"tag": "v1"}),
    ],
)
def test_a_template_is_filled_with_values_and_names(template: str, value: object) -> None:
    assert data_of(f"  found: {template}\n", "image: {tag: v1}\nenabled: true\n") == {"found": value}


def test_given_values_go_before_the_charts_own_and_null_takes_one_away() -> None:
    template = '  found: {{ .Values.image.tag }}-{{ .Values.image.name }}-{{ .Values.gone | default "x" }}\n'
    given = {"image": {"tag": "v2"}, "gone": None}
    assert data_of(template, "image: {tag: v1, name: bill}\ngone: here\n", given) == {"found": "v2-bill-x"}
    assert merged({"a": {"b": 1, "c": [1]}}, {"a": {"c": [2]}}) == {"a": {"b": 1, "c": [2]}}


@pytest.mark.parametrize(
    ("template", "problem"),
    [
        ("{{ if .Values.image }}x{{ end }}", "at <if .Values.image>: the sandbox knows no function if"),
        ('{{ include "bill.labels" . }}', "the sandbox knows no function include"),
        ("{{ .Values.none.tag }}", "at <.Values.none.tag>: nil pointer evaluating interface {}.tag"),
        ("{{ .Values.image | }}", "missing value for command"),
        ("{{ .Values.image | int }}", "error calling int"),
        ("{", "YAML parse error on bill/templates/map.yaml: error converting YAML to JSON"),
    ],
)
def test_what_cannot_be_rendered_is_refused(template: str, problem: str) -> None:
    with pytest.raises(ChartError) as failed:
        data_of(f"  found: {template}\n", "image: {tag: v1}\n")
    assert problem in str(failed.value)


@pytest.mark.parametrize(
    ("described", "problem"),
    [
        (None, "could not locate chart file charts/bill: no Chart.yaml"),
        ("name: bill\n", "chart.metadata.version is required"),
        ("- bill\n", "cannot load Chart.yaml: not a mapping"),
        (DESCRIBED + "dependencies: [{name: redis}]\n", "the sandbox builds no chart dependencies"),
    ],
)
def test_a_chart_that_is_none_is_refused(described: str | None, problem: str) -> None:
    files = {"charts/bill/values.yaml": ""} | ({"charts/bill/Chart.yaml": described} if described else {})
    with pytest.raises(ChartError, match=problem):
        load_chart(Files(files), "charts/bill")


def test_tests_are_apart_and_other_hooks_are_refused() -> None:
    def hooked(hook: str) -> Files:
        job = f"apiVersion: batch/v1\nkind: Job\nmetadata: {{name: t, annotations: {{helm.sh/hook: {hook}}}}}\n"
        return chart_of("  a: b\n", **{"templates/job.yaml": job, "templates/_helpers.tpl": '{{ define "x" }}'})

    rendered = render_chart(load_chart(hooked("test"), "charts/bill"), {}, "bill", "fleet")
    assert [one["kind"] for one in rendered.manifests] == ["ConfigMap"]
    assert [one["metadata"]["name"] for one in rendered.tests] == ["t"]
    with pytest.raises(ChartError, match="no hooks of charts but tests"):
        render_chart(load_chart(hooked("pre-install"), "charts/bill"), {}, "bill", "fleet")
