import time

import pytest

from membudget.setup.made_up import MADE_UP, local_values, without_secrets


@pytest.mark.parametrize(
    "name",
    ["POSTGRES_PASSWORD", "dbPassword", "API_KEY", "apiKey", "GITHUB_TOKEN", "SECRET", "AWS_ACCESS_KEY_ID",
     "GOOGLE_CREDENTIALS", "DB_PASS", "MYSQL_PWD", "SENTRY_DSN", "SLACK_WEBHOOK", "PRIVATE", "LOGIN_PIN"],
)  # fmt: skip
def test_a_variable_with_the_name_of_a_secret_gets_a_made_up_value(name: str) -> None:
    assert without_secrets(name, "hunter2") == MADE_UP


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("postgres://shop:hunter2@db:5432/shop?a=b", f"postgres://shop:{MADE_UP}@db:5432/shop?a=b"),
        ("redis://:hunter2@cache", f"redis://:{MADE_UP}@cache"),
        ("https://0123456789@sentry.io/1", f"https://{MADE_UP}@sentry.io/1"),
        ("postgres://shop:hunt/er2@db/shop", f"postgres://shop:{MADE_UP}@db/shop"),
        ("postgres://shop:hun@ter2@db/shop", f"postgres://shop:{MADE_UP}@db/shop"),
        ("shop:hunter2@tcp(db:3306)/shop", f"shop:{MADE_UP}@tcp(db:3306)/shop"),
        ("Server=db;User Id=sa;Password=hunter2;", f"Server=db;User Id=sa;Password={MADE_UP};"),
        ("jdbc:postgresql://db/shop?user=a&password=hunter2", f"jdbc:postgresql://db/shop?user=a&password={MADE_UP}"),
        ('{"password": "hunter2", "host": "db"}', f'{{"password": "{MADE_UP}", "host": "db"}}'),
        ("-Xmx64m -Djavax.net.ssl.keyStorePassword=hunter2", f"-Xmx64m -Djavax.net.ssl.keyStorePassword={MADE_UP}"),
        ("Authorization: Bearer 0123456789", f"Authorization: Bearer {MADE_UP}"),
        ("ghp_0123456789abcdef0123", MADE_UP),
        ("-----BEGIN RSA PRIVATE KEY-----\nabc\n-----END RSA PRIVATE KEY-----", MADE_UP),
    ],
)
def test_a_secret_is_told_by_the_form_of_the_value(value: str, expected: str) -> None:
    assert without_secrets("SETTING", value) == expected
    assert without_secrets("SETTING", expected) == expected, "nothing is made up twice"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("LOG_LEVEL", "warning"),
        ("DATABASE_URL", "postgres://db:5432/shop"),
        ("HOME_PAGE", "http://shop:8080/a@b"),
        ("TOKEN_URL", "https://login.example.com/token"),
        ("POSTGRES_PASSWORD_FILE", "/run/secrets/password"),
        ("TOKEN_TTL", "3600"),
        ("KEYS_ENABLED", "true"),
        ("SECRET", ""),
    ],
)
def test_what_is_no_secret_stays(name: str, value: str) -> None:
    assert without_secrets(name, value) == value


def test_one_made_up_value_serves_all_so_that_a_service_and_its_database_agree() -> None:
    found = local_values({"DB_PASSWORD": "a", "URL": "postgres://u:a@db", "PORT": "80"})
    assert found.made_up == ("DB_PASSWORD", "URL")
    assert (found.values["DB_PASSWORD"], found.values["PORT"]) == (MADE_UP, "80")
    assert MADE_UP in found.values["URL"]
    assert found.todo == ("TODO: made up, because what is written there may be secret: DB_PASSWORD, URL",)
    assert local_values({"PORT": "80"}).todo == ()


@pytest.mark.thorough
@pytest.mark.parametrize("part", ["://a:", "password=", "Bearer ", "://", "a:b@", "-----BEGIN ", "token: ", " "])
def test_hostile_values_take_no_time(part: str) -> None:
    begun = time.process_time()
    local_values({f"A{number}": part * 1000 for number in range(20)})
    assert time.process_time() - begun < 5
