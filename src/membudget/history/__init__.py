"""Earlier figures of the main branch: what is kept of a check, how it is read again, and how figures grew."""
