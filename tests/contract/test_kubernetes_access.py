"""Which cluster do we talk to, trusted by what, and logged in as whom? Real TLS, real files, real plugins."""

from __future__ import annotations

import json
import ssl
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import trustme
import yaml
from kubernetes_server import KUSTOMIZATIONS, api, entry, reply

from gitops_rollback.adapters.kubernetes.access import find_access
from gitops_rollback.adapters.kubernetes.client import Kubernetes, connect
from gitops_rollback.adapters.kubernetes.credentials import ExecPlugin, Fixed, Plugin, TokenFile
from gitops_rollback.adapters.kubernetes.errors import ApiUnavailable
from gitops_rollback.adapters.kubernetes.settings import KubernetesSettings
from gitops_rollback.adapters.kubernetes.transport import Transport
from gitops_rollback.adapters.kubernetes.wire import Call
from gitops_rollback.core.errors import CredentialsRejected, RollbackError, SettingsInvalid

V1 = "client.authentication.k8s.io/v1"


class Login:
    """An API that knows one token, and remembers what it was asked with."""

    def __init__(self, token: str) -> None:
        self.token = token
        self.asked: list[str] = []

    def __call__(self, connection: Any, request: Any) -> None:
        self.asked.append(request.headers.get("authorization", ""))
        known = self.asked[-1] == f"Bearer {self.token}"
        reply(entry("cart") if known else {}, 200 if known else 401)(connection, request)


def ask(client: Kubernetes) -> bool:
    return client.get(KUSTOMIZATIONS, "flux-system", "cart") is not None


def test_a_rotated_token_is_read_again_on_a_401(tmp_path: Path) -> None:
    file = tmp_path / "token"
    file.write_text("old\n")
    login = Login("old")
    with api(login, credentials=TokenFile(str(file))) as (client, _):
        assert ask(client)
        login.token = "new"
        with pytest.raises(CredentialsRejected):
            ask(client)
        file.write_text("new\n")
        assert ask(client)
        assert ask(client)
    assert login.asked == ["Bearer old", "Bearer old", "Bearer old", "Bearer new", "Bearer new"]


def test_a_token_is_read_again_each_minute(tmp_path: Path) -> None:
    file = tmp_path / "token"
    file.write_text("old")
    now = [100.0]
    token = TokenFile(str(file), lambda: now[0])
    assert token.authorization(1) == "Bearer old"
    file.write_text("new")
    now[0] += 59.9
    assert token.authorization(1) == "Bearer old"
    now[0] += 0.1
    assert token.authorization(1) == "Bearer new"
    file.unlink()
    now[0] += 61
    assert token.authorization(1) == "Bearer new"


def test_a_token_file_that_is_not_there_is_said() -> None:
    with pytest.raises(CredentialsRejected, match="/no/such/token: the token file cannot be read"):
        TokenFile("/no/such/token").authorization(1)


@pytest.mark.parametrize("token", ["", " ", "to\nken", "t\u00f6ken"])
def test_a_token_that_no_header_carries_is_refused_unquoted(token: str) -> None:
    with pytest.raises(CredentialsRejected) as caught:
        Fixed.token(token)
    assert "ken" not in str(caught.value).replace("token", "")


def plugin(tmp_path: Path, body: str, version: str = V1, **environment: str) -> ExecPlugin:
    """A plugin that is this Python; each run leaves a line in `runs`."""
    script = tmp_path / "plugin.py"
    runs = tmp_path / "runs"
    script.write_text(f"import json, os, sys\nopen({str(runs)!r}, 'a').write('run\\n')\nversion = {version!r}\n{body}")
    return ExecPlugin(Plugin(version, sys.executable, (str(script),), environment))


def runs(tmp_path: Path) -> int:
    return len((tmp_path / "runs").read_text().splitlines())


PRINT = "print(json.dumps({'apiVersion': version, 'kind': 'ExecCredential', 'status': %s}))"


@pytest.mark.parametrize("version", [V1, "client.authentication.k8s.io/v1beta1"])
def test_a_plugin_gives_the_token_and_is_asked_once(tmp_path: Path, version: str) -> None:
    wanted = "{'token': os.environ['MINE'] + json.loads(os.environ['KUBERNETES_EXEC_INFO'])['apiVersion'][-2:]}"
    login = Login("s3cr3t-" + version[-2:])
    with api(login, credentials=plugin(tmp_path, PRINT % wanted, version, MINE="s3cr3t-")) as (client, _):
        assert ask(client)
        assert ask(client)
    assert runs(tmp_path) == 1


def test_a_plugin_is_asked_again_after_a_401_and_when_its_token_runs_out(tmp_path: Path) -> None:
    counted = "{'token': 't%d' % len(open(%r).readlines()), 'expirationTimestamp': '2026-11-26T05:00:00Z'}"
    found = plugin(tmp_path, PRINT % counted.replace("%r", repr(str(tmp_path / "runs"))))
    now = [datetime(2026, 11, 26, 4, 0, tzinfo=UTC)]
    found._now = lambda: now[0]
    login = Login("t2")
    with api(login, credentials=found) as (client, _):
        assert ask(client)
        now[0] += timedelta(minutes=59, seconds=31)
        login.token = "t3"
        assert ask(client)
    assert login.asked == ["Bearer t1", "Bearer t2", "Bearer t3"]


@pytest.mark.parametrize(
    ("body", "words"),
    [
        pytest.param("print('s3cr3t'); sys.exit(3)", "ended with 3", id="fails"),
        pytest.param("print('s3cr3t', file=sys.stderr)", "no JSON", id="no-output"),
        pytest.param("print('s3cr3t')", "no JSON", id="no-json"),
        pytest.param("print('{}')", "no credential", id="another-shape"),
        pytest.param(PRINT % "{}", "no token", id="no-token"),
        pytest.param(PRINT % "{'clientCertificateData': 's3cr3t'}", "certificate", id="certificate"),
        pytest.param("import threading; threading.Event().wait(30)", "did not end", id="hangs"),
    ],
)
def test_a_plugin_that_gives_no_token_is_named_and_not_quoted(tmp_path: Path, body: str, words: str) -> None:
    settings = KubernetesSettings(timeout=timedelta(seconds=1.5))
    with api(Login("x"), settings, plugin(tmp_path, body)) as (client, _), pytest.raises(RollbackError) as caught:
        ask(client)
    assert words in str(caught.value)
    assert "s3cr3t" not in str(caught.value) + repr(caught.value.__cause__)


def test_a_plugin_that_is_not_installed_or_speaks_another_version_is_said() -> None:
    with pytest.raises(CredentialsRejected, match="is it installed"):
        ExecPlugin(Plugin(V1, "/no/such/plugin")).authorization(1)
    with pytest.raises(SettingsInvalid):
        ExecPlugin(Plugin("client.authentication.k8s.io/v1alpha1", "x"))


# Configuration.


def kubeconfig(path: Path, server: str = "https://k8s.test:6443", context: str = "prod", **user: Any) -> Path:
    config = {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": context,
        "clusters": [{"name": "c", "cluster": {"server": server}}],
        "users": [{"name": "u", "user": user}],
        "contexts": [{"name": context, "context": {"cluster": "c", "user": "u", "namespace": f"ns-{context}"}}],
    }
    path.write_text(yaml.safe_dump(config))
    return path


def account(tmp_path: Path, ca: trustme.CA) -> str:
    (tmp_path / "token").write_text("pod-token")
    (tmp_path / "namespace").write_text("gitops-rollback")
    ca.cert_pem.write_to_path(tmp_path / "ca.crt")
    return str(tmp_path)


@pytest.fixture
def in_pod(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KUBERNETES_SERVICE_HOST", "fd00::1")
    monkeypatch.setenv("KUBERNETES_SERVICE_PORT", "443")


@pytest.mark.usefixtures("in_pod")
def test_in_a_pod_its_own_account_is_used(tmp_path: Path) -> None:
    found = find_access(KubernetesSettings(), account(tmp_path, trustme.CA()))
    assert (found.server, found.namespace) == ("https://[fd00::1]:443", "gitops-rollback")
    assert found.credentials.authorization(1) == "Bearer pod-token"


@pytest.mark.usefixtures("in_pod")
def test_a_pod_without_an_account_does_not_look_elsewhere(tmp_path: Path) -> None:
    with pytest.raises(SettingsInvalid, match="service account"):
        find_access(KubernetesSettings(), str(tmp_path))


@pytest.mark.usefixtures("in_pod")
def test_what_is_named_outranks_the_pod(tmp_path: Path) -> None:
    file = kubeconfig(tmp_path / "config", token="t")
    found = find_access(KubernetesSettings(kubeconfig=str(file), namespace="mine"))
    assert (found.server, found.namespace) == ("https://k8s.test:6443", "mine")


def test_a_context_is_found_in_the_files_of_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first, second = kubeconfig(tmp_path / "a", context="dev"), kubeconfig(tmp_path / "b", context="prod")
    monkeypatch.setenv("KUBECONFIG", f"{tmp_path / 'absent'}:{first}:{second}")
    assert find_access(KubernetesSettings()).namespace == "ns-dev"
    assert find_access(KubernetesSettings(context="prod")).namespace == "ns-prod"
    with pytest.raises(SettingsInvalid, match="no context stage"):
        find_access(KubernetesSettings(context="stage"))


def test_a_plugin_beside_the_kubeconfig_is_found(tmp_path: Path) -> None:
    script = tmp_path / "login"
    script.write_text(f"#!{sys.executable}\nimport json\nversion = {V1!r}\n" + PRINT % "{'token': 'mine'}")
    script.chmod(0o755)
    declared = {"apiVersion": V1, "command": "./login", "interactiveMode": "Never", "args": None, "env": None}
    file = kubeconfig(tmp_path / "config", exec=declared)
    found = find_access(KubernetesSettings(kubeconfig=str(file)))
    assert found.credentials.authorization(20) == "Bearer mine"


@pytest.mark.parametrize("asks", [True, False])
def test_a_plugin_is_told_of_the_cluster_where_the_kubeconfig_says_so(tmp_path: Path, asks: bool) -> None:
    script = tmp_path / "login"
    told = "json.loads(os.environ['KUBERNETES_EXEC_INFO'])['spec'].get('cluster', {})"
    keys = f"{{'token': '-'.join(sorted({told})) + '.' + {told}.get('config', {{}}).get('audience', '')}}"
    script.write_text(f"#!{sys.executable}\nimport json, os\nversion = {V1!r}\n" + PRINT % keys)
    script.chmod(0o755)
    declared = {"apiVersion": V1, "command": "./login", "provideClusterInfo": asks}
    file = kubeconfig(tmp_path / "config", exec=declared)
    extension = {"name": "client.authentication.k8s.io/exec", "extension": {"audience": "prod"}}
    trustme.CA().cert_pem.write_to_path(str(tmp_path / "ca.crt"))
    with_cluster(file, extensions=[extension], **{"tls-server-name": "k8s.prod", "certificate-authority": "ca.crt"})
    found = find_access(KubernetesSettings(kubeconfig=str(file)))
    wanted = "certificate-authority-data-config-server-tls-server-name.prod" if asks else "."
    assert found.credentials.authorization(20) == f"Bearer {wanted}"


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("", id="empty"),
        pytest.param("s3cr3t: [", id="no-yaml"),
        pytest.param("[]", id="a-list"),
        pytest.param("clusters: s3cr3t\ncontexts: []", id="clusters-no-list"),
        pytest.param("clusters: []\ncontexts: []\ncurrent-context: prod", id="no-such-context"),
        pytest.param(
            "clusters: []\ncurrent-context: p\ncontexts: [{name: p, context: {cluster: c, user: u}}]", id="no-cluster"
        ),
    ],
)
def test_a_broken_kubeconfig_is_named_and_not_quoted(tmp_path: Path, text: str) -> None:
    file = tmp_path / "config"
    file.write_text(text)
    with pytest.raises(SettingsInvalid) as caught:
        find_access(KubernetesSettings(kubeconfig=str(file)))
    assert "s3cr3t" not in f"{caught.value}{caught.value.__cause__}"


@pytest.mark.parametrize(
    ("server", "user"),
    [
        pytest.param("http://k8s.test", {}, id="plain-http"),
        pytest.param("ftp://k8s.test", {}, id="another-scheme"),
        pytest.param("https://me:s3cr3t@k8s.test", {}, id="password-in-the-address"),
        pytest.param("https://k8s.test:port", {}, id="no-port"),
        pytest.param("https://k8s.test", {"client-certificate": "/no/such", "client-key": "/no/such"}, id="no-cert"),
        pytest.param("https://k8s.test", {"auth-provider": {"name": "gcp"}}, id="auth-provider"),
    ],
)
def test_an_access_that_cannot_be_used_is_refused(tmp_path: Path, server: str, user: dict[str, Any]) -> None:
    file = kubeconfig(tmp_path / "config", server, **user)
    with pytest.raises(SettingsInvalid) as caught:
        find_access(KubernetesSettings(kubeconfig=str(file)))
    assert "s3cr3t" not in f"{caught.value}{caught.value.__cause__}"


def test_a_proxy_is_refused_by_name_and_place(tmp_path: Path) -> None:
    file = kubeconfig(tmp_path / "config")
    with_cluster(file, **{"proxy-url": "http://me:s3cr3t@proxy.test:3128"})
    with pytest.raises(SettingsInvalid) as caught:
        find_access(KubernetesSettings(kubeconfig=str(file)))
    assert f"{file}, context prod: `proxy-url` is not supported" in str(caught.value)
    assert "s3cr3t" not in f"{caught.value}{caught.value.__cause__}"


def with_cluster(file: Path, **fields: Any) -> None:
    config = yaml.safe_load(file.read_text())
    config["clusters"][0]["cluster"] |= fields
    file.write_text(yaml.safe_dump(config))


def test_no_cluster_at_all_is_said() -> None:
    with pytest.raises(SettingsInvalid, match=r"not in a Pod, and no kubeconfig at ~/\.kube/config"):
        find_access(KubernetesSettings())


# TLS.


class _Cluster(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        if "watch=true" in self.path:
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.end_headers()
            self.rfile.read(1)  # says nothing, until the client has gone
            return
        body = json.dumps(entry("cart")).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


@contextmanager
def cluster(
    ca: trustme.CA, wrap: Callable[[ssl.SSLContext], None] = lambda _: None, name: str = "127.0.0.1"
) -> Iterator[str]:
    """A server on 127.0.0.1 with a certificate of `ca` for `name`."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    ca.issue_cert(name).configure_cert(context)
    wrap(context)
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Cluster)
    server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    try:
        yield f"https://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def connected(file: Path) -> bool:
    with closing(connect(KubernetesSettings(kubeconfig=str(file)))) as client:
        return ask(client)


def test_a_cluster_is_trusted_by_the_authority_of_its_kubeconfig_alone(tmp_path: Path) -> None:
    ca = trustme.CA()
    ca.cert_pem.write_to_path(tmp_path / "ca.crt")
    with cluster(ca) as server:
        file = kubeconfig(tmp_path / "config", server, token="t")
        config = yaml.safe_load(file.read_text())
        with pytest.raises(ApiUnavailable, match="certificate"):
            connected(file)
        config["clusters"][0]["cluster"]["certificate-authority"] = "ca.crt"
        file.write_text(yaml.safe_dump(config))
        assert connected(file)


def test_a_server_behind_another_address_is_known_by_the_name_that_its_kubeconfig_gives(tmp_path: Path) -> None:
    """A tunnel or a bastion: the address is not the one that the certificate is for."""
    ca = trustme.CA()
    ca.cert_pem.write_to_path(tmp_path / "ca.crt")
    with cluster(ca, name="k8s.test") as server:
        file = kubeconfig(tmp_path / "config", server, token="t")
        with_cluster(file, **{"certificate-authority": "ca.crt"})
        with pytest.raises(ApiUnavailable, match="certificate"):
            connected(file)
        with_cluster(file, **{"tls-server-name": "k8s.test"})
        assert connected(file)
        with_cluster(file, **{"tls-server-name": "other.test"})
        with pytest.raises(ApiUnavailable, match="certificate"):
            connected(file)


def test_a_watch_over_tls_can_be_cut_while_it_waits() -> None:
    ca = trustme.CA()
    tls = ssl.create_default_context()
    ca.configure_trust(tls)
    call, opened = Call(60), threading.Event()
    with cluster(ca) as server, closing(Kubernetes(Transport(server, tls, Fixed()), "")) as client:

        def follow() -> None:
            with client.watch(KUSTOMIZATIONS, "", "1", 60, call) as events, suppress(ApiUnavailable):
                opened.set()
                list(events)

        thread = threading.Thread(target=follow, daemon=True)
        thread.start()
        assert opened.wait(20)
        call.cut()
        thread.join(20)
        assert not thread.is_alive()


def test_a_client_certificate_is_a_login(tmp_path: Path) -> None:
    ca = trustme.CA()
    ca.cert_pem.write_to_path(tmp_path / "ca.crt")
    ours = ca.issue_cert("someone@cluster.test")
    ours.private_key_pem.write_to_path(tmp_path / "key.pem")
    ours.cert_chain_pems[0].write_to_path(tmp_path / "cert.pem")

    def ask_for_one(context: ssl.SSLContext) -> None:
        ca.configure_trust(context)
        context.verify_mode = ssl.CERT_REQUIRED

    with cluster(ca, ask_for_one) as server:
        user = {"client-certificate": "cert.pem", "client-key": "key.pem"}
        file = kubeconfig(tmp_path / "config", server, **user)
        config = yaml.safe_load(file.read_text())
        config["clusters"][0]["cluster"]["certificate-authority"] = "ca.crt"
        file.write_text(yaml.safe_dump(config))
        assert connected(file)


def test_without_the_extra_the_rest_works_and_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in [name for name in sys.modules if name.startswith("gitops_rollback.adapters.kubernetes.")]:
        if module.endswith((".access", ".transport")):
            monkeypatch.delitem(sys.modules, module)
    monkeypatch.setitem(sys.modules, "lightkube", None)
    monkeypatch.setitem(sys.modules, "lightkube.config", None)
    monkeypatch.setitem(sys.modules, "lightkube.config.client_adapter", None)
    with pytest.raises(SettingsInvalid, match=r"pip install '\.\[kubernetes\]' in a clone of gitops-rollback"):
        connect()


def test_no_other_part_of_the_product_loads_the_extra() -> None:
    code = "import gitops_rollback.cli.main, gitops_rollback.adapters.kubernetes.lease, sys; "
    code += "print([n for n in ('lightkube', 'httpcore2', 'httpx2', 'msgspec') if n in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
