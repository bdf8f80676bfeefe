from membudget.budgets.key_path import locate


def test_a_union_tag_is_not_part_of_what_the_user_wrote() -> None:
    path = locate(("images", "api", "workload", "http", "prot"))
    assert str(path) == "images.api.workload.prot"
    assert path.siblings == ("kind", "port", "ready", "requests")
    assert path.guess == "port"


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
