"""python -m lab.chirps"""

import sys

from lab.chirps import starting

starting.leave_in_order(sys.argv[1:])

# All of it may take seconds where CPU is scarce, and a pod may be deleted meanwhile.
from lab.chirps.cli import main  # noqa: E402

sys.exit(main(sys.argv[1:]))
