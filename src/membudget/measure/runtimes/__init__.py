"""Language runtimes: which ones run, and how much memory they allow themselves."""
