"""Which words of kubeadm, k3s, kubelet and etcd tell which cause, and where they come from.

The first rule that holds counts, so the more telling ones come first: a journal that names a
wrong token is full of `server is not ready` as well.
"""

from lab.provision.diagnosis_admission import ADMISSION
from lab.provision.diagnosis_operation import OPERATION

RULES = (*ADMISSION, *OPERATION)
