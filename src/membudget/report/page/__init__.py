"""The report as a page to look into: one HTML file that needs nothing else, and no network."""
