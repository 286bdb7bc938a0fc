import ssl
from dataclasses import replace

import pytest
import yaml

from lab.errors import ClusterError, NotOurCluster
from lab.kube import identity, kubeconfig
from lab.kube.identity import Identity
from lab.kube.kubeconfig import Access

ACCESS = Access("https://127.0.0.1:6443", b"ca", b"certificate", b"key")


def test_what_is_rendered_is_parsed() -> None:
    text = kubeconfig.render(ACCESS, name="lab-demo")

    assert kubeconfig.parse(text, origin="test") == ACCESS


def test_every_entry_carries_the_name_of_the_lab() -> None:
    config = yaml.safe_load(kubeconfig.render(ACCESS, name="lab-demo"))

    assert config["current-context"] == "lab-demo"
    assert [config[kind][0]["name"] for kind in ("clusters", "users", "contexts")] == [
        "lab-demo"
    ] * 3


@pytest.mark.parametrize("text", ["", "[]", "a: b", "current-context: x\ncontexts: []", "{"])
def test_what_is_no_kubeconfig_is_refused_by_name(text: str) -> None:
    with pytest.raises(ClusterError, match="the file is no kubeconfig"):
        kubeconfig.parse(text, origin="the file")


def test_text_that_is_no_base64_is_refused_by_name() -> None:
    text = kubeconfig.render(ACCESS, name="lab").replace("Y2E=", "é")

    with pytest.raises(ClusterError, match="the file is no kubeconfig"):
        kubeconfig.parse(text, origin="the file")


def test_a_certificate_that_is_none_is_refused_with_the_way_out(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("lab.kube.client.ssl.create_default_context", tls_without_ca)
    text = kubeconfig.render(ACCESS, name="lab")

    with pytest.raises(ClusterError, match="no client certificate") as caught:
        identity.connect(text, Identity(ACCESS.ca_sha256, "uid"), origin="/x/kubeconfig")

    assert caught.value.hint == "rm /x/kubeconfig; lab up writes it again"


def tls_without_ca(*, cadata: str) -> ssl.SSLContext:
    return ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)


def test_another_clusters_kubeconfig_is_refused_without_a_connection() -> None:
    text = kubeconfig.render(replace(ACCESS, server="https://127.0.0.1:1"), name="other")

    with pytest.raises(NotOurCluster, match="CA hash"):
        identity.connect(text, Identity("0" * 64, "uid"), origin="kubeconfig")
