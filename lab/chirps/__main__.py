"""python -m lab.chirps"""

import sys

from lab.chirps.cli import main

sys.exit(main(sys.argv[1:]))
