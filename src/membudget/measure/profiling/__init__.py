"""Which code held the memory of a container: profiles of trials that are never judged."""
