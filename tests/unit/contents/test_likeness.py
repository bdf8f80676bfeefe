"""How much two instructions are alike."""

import pytest

from membudget.contents.likeness import LEAST_LIKENESS, InstructionWords, edited_words


@pytest.mark.parametrize(
    ("before", "after", "is_edit"),
    [
        ("RUN apt-get install -y php-cli", "RUN apt-get install -y php-cli php-intl", True),
        ("RUN pip install flask==1.0 gunicorn", "RUN pip install flask==2.0 gunicorn uvicorn", True),
        ("COPY requirements.txt /app", "COPY pyproject.toml uv.lock /app", True),
        ("RUN npm ci", "RUN pip install flask", False),
        ("COPY data /srv", "RUN cp data /srv", False),
        ("COPY a /x", "COPY b /y", False),
        ("", "", False),
    ],
)
def test_versions_of_one_instruction_are_much_alike(before: str, after: str, is_edit: bool) -> None:
    alike = InstructionWords.of(before).likeness(InstructionWords.of(after))
    assert (alike >= LEAST_LIKENESS) is is_edit


def test_an_edit_is_told_by_its_words() -> None:
    before, after = "RUN pip install flask==1.0 x", "RUN pip install flask==2.0 x y"
    assert edited_words(before, after) == ("flask==1.0", "flask==2.0 y")
