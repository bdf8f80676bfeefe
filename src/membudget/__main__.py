"""`python -m membudget`."""

import sys

from membudget.cli.main import main

sys.exit(main())
