from membudget.budgets.key_path import Guesses, locate, similar


def test_a_union_tag_is_not_part_of_what_the_user_wrote() -> None:
    path = locate(("images", "api", "workload", "http", "prot"))
    assert str(path) == "images.api.workload.prot"
    assert path.siblings == ("kind", "port", "ready", "requests")
    assert similar("prot", path.siblings) == "port"


def test_an_image_may_be_called_like_a_kind() -> None:
    assert str(locate(("images", "http", "limit"))) == "images.http.limit"


def test_the_key_itself() -> None:
    assert str(locate(("images", "Api", "[key]"))) == "images.Api"


def test_what_the_format_says_of_a_key() -> None:
    assert (
        locate(("images", "api", "timeout")).description
        == "The longest time a trial may take, without the settle time."
    )


def test_the_top_of_the_file() -> None:
    assert str(locate(())) == ""


def test_what_was_meant_is_looked_for_among_a_bounded_number_of_names() -> None:
    known = [f"other-{number}" for number in range(10_000)]
    assert similar("budgts", ["budgets", *known]) == "budgets"
    assert similar("budgts", [*known, "budgets"]) is None
    assert similar("budgts", ["budgets" + "x" * 1_000_000]) is None


def test_only_the_first_names_of_a_file_get_an_answer() -> None:
    guesses = Guesses()
    found = [guesses.similar("budgts", lambda: ["budgets"]) for _ in range(200)]
    assert found == ["budgets"] * 100 + [None] * 100
