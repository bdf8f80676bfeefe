"""The report in the form that its reader needs: Markdown, terminal, JSON, JUnit, OpenMetrics."""
