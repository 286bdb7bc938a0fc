"""Is anything of a lab left on the host? Shown by comparing before and after."""

from lab.residue.compare import Blame, Difference, compare
from lab.residue.fingerprint import Fingerprint, Kind
from lab.residue.host import take_fingerprint

__all__ = ["Blame", "Difference", "Fingerprint", "Kind", "compare", "take_fingerprint"]
