"""The JSON schema of `budgets.toml`, for editors that complete and check."""

from membudget.budgets.entries import BudgetsFile


def budgets_schema() -> dict[str, object]:
    """JSON Schema, draft 2020-12."""
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "budgets.toml of membudget",
        **{key: value for key, value in BudgetsFile.model_json_schema().items() if key != "title"},
    }
