"""The six nodes of a lab, for a plain pyinfra run inside the lab's network.

    sudo nsenter --net=/run/netns/lab-ID .venv/bin/pyinfra inventories/sandbox.py exec -- uptime

ID is the `lab_id` in the lab's lab.json; LAB_NAME chooses the lab, as everywhere.
"""

import os

from lab.machines.keys import Keys
from lab.machines.topology import make_nodes
from lab.paths import find_paths

_keys = Keys(find_paths().lab(os.environ.get("LAB_NAME", "lab")) / "keys")
_nodes = [
    (
        node.name,
        {
            "ssh_hostname": node.address,
            "ssh_user": "root",
            "ssh_key": str(_keys.login),
            "ssh_known_hosts_file": str(_keys.known_hosts),
            "ssh_strict_host_key_checking": "yes",
            "ssh_config_file": os.devnull,
        },
    )
    for node in make_nodes(6)
]

server = _nodes[:1]
agents = _nodes[1:]
