"""`python -m memstore.cli`: the same as the command `memstore`, where scripts are not on the path."""

import sys

from memstore.cli import main

sys.exit(main())
