import pytest
from jinja2 import UndefinedError

from lab.kube import manifests
from lab.kube.apply import path_of


def test_every_object_of_coredns_has_a_path_in_the_api() -> None:
    objects = manifests.render("coredns", coredns_image="image", cluster_dns="10.96.0.10")

    assert [path_of(item) for item in objects][-2:] == [
        "/apis/apps/v1/namespaces/kube-system/deployments/coredns",
        "/api/v1/namespaces/kube-system/services/kube-dns",
    ]


def test_no_image_is_ever_pulled() -> None:
    *_, deployment, _ = manifests.render("coredns", coredns_image="i", cluster_dns="10.96.0.10")
    _, pod = manifests.render("probe", node_name="n1", probe_image="image")

    containers = deployment["spec"]["template"]["spec"]["containers"] + pod["spec"]["containers"]
    assert {container["imagePullPolicy"] for container in containers} == {"Never"}


def test_a_value_that_a_template_misses_is_an_error() -> None:
    with pytest.raises(UndefinedError):
        manifests.render("probe", node_name="n1")
