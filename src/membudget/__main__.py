"""`python -m membudget`."""

import sys

from membudget.cli import main

sys.exit(main())
