"""Machines you already have; an example, to be copied and changed. Data only.

    lab up --inventory inventories/my_hosts.py

One server or three, and as many agents as you like, twelve hosts in all. A host is a name, or
(name, data); a group is a list, or (list, data for all of it). The name becomes the name of the
node: lower-case letters, digits, dashes and dots. Data, as pyinfra's SSH connector spells it:

    ssh_hostname          where ssh finds it: an address, a name, or a Host of your ~/.ssh/config
    ssh_port, ssh_user    without them, what your ~/.ssh/config says
    ssh_key               the private key, mode 0600; without it, your own and those of ssh-agent
    ssh_known_hosts_file  without it, your ~/.ssh/known_hosts
    ssh_config_file       without it, your ~/.ssh/config
    _sudo                 True for a user who is not root; sudo must not ask for a password
    address               the IP address by which the nodes reach each other, where that is
                          another one than ssh is to use (a bastion host, a forwarded port)

Host keys are checked strictly. For machines you have never logged in to, compare what
`ssh-keyscan HOST` says with the machine's own screen and add it to known_hosts, or have lab take
them as they are with --accept-new-host-keys. To see that you get in: `ssh USER@HOST sudo -n true`.
"""

server = [
    ("k1", {"ssh_hostname": "192.0.2.11", "ssh_user": "admin", "_sudo": True}),
]

agents = [
    ("k2", {"ssh_hostname": "192.0.2.12", "ssh_user": "admin", "_sudo": True}),
    ("k3", {"ssh_hostname": "192.0.2.13", "ssh_user": "admin", "_sudo": True}),
]
