"""A program that listens elsewhere is told how to listen on $PORT, in a command that can be pasted."""

from __future__ import annotations

import pytest

from locald.domain.knowledge.port_options import fix, recognise

COMMANDS = [
    ("vite", "node", 5173, "`vite --port $PORT`"),
    ("npx vite dev", "node", 5173, "`npx vite dev --port $PORT`"),
    ("npm run dev", "node", 5173, "`npm run dev -- --port $PORT`"),
    ("pnpm dev", "node", 5173, "`pnpm dev --port $PORT`"),
    ("npm start", "next-server (v1", 3000, "`npm start -- -p $PORT`"),
    ("next dev", "node", 3000, "`next dev -p $PORT`"),
    ("react-scripts start", "node", 3000, "`PORT=$PORT react-scripts start`"),
    ("webpack-dev-server", "node", 8080, "`webpack-dev-server --port $PORT`"),
    ("ng serve", "node", 4200, "`ng serve --port $PORT`"),
    ("nuxt dev", "node", 3000, "`nuxt dev --port $PORT`"),
    ("astro dev", "node", 4321, "`astro dev --port $PORT`"),
    ("remix vite:dev", "node", 3000, "`remix vite:dev --port $PORT`"),
    ("python manage.py runserver", "python3", 8000, "`python manage.py runserver $PORT`"),
    ("python manage.py runserver 8000", "python3", 8000, "`python manage.py runserver $PORT`"),
    (
        "python manage.py runserver 0.0.0.0:8000",
        "python3",
        8000,
        "`python manage.py runserver 0.0.0.0:$PORT`",
    ),
    ("flask run", "python3", 5000, "`flask run --port $PORT`"),
    ("flask --app shop run --port 5001", "python3", 5001, "`flask --app shop run --port $PORT`"),
    ("uvicorn shop:app --reload", "uvicorn", 8000, "`uvicorn shop:app --reload --port $PORT`"),
    ("gunicorn shop:app", "gunicorn", 8000, "`gunicorn shop:app --bind 127.0.0.1:$PORT`"),
    ("hypercorn shop:app", "hypercorn", 8000, "`hypercorn shop:app --bind 127.0.0.1:$PORT`"),
    ("bin/rails server", "ruby", 3000, "`bin/rails server -p $PORT`"),
    ("php -S localhost:8000", "php", 8000, "`php -S localhost:$PORT`"),
    ("hugo server", "hugo", 1313, "`hugo server --port $PORT`"),
    ("bundle exec jekyll serve", "ruby", 4000, "`bundle exec jekyll serve --port $PORT`"),
    ("python3 -m http.server 8000", "python3", 8000, "`python3 -m http.server $PORT`"),
    ("cd web && npm run dev", "node", 5173, "`cd web && npm run dev -- --port $PORT`"),
    ("cd web && npx vite", "node", 5173, "`cd web && npx vite --port $PORT`"),
    ("make dev", "hugo", 9999, "`--port $PORT`"),
    ("vite preview --port 4173", "node", 4173, "`vite preview --port $PORT`"),
    ("vite --port 4173 --host", "node", 4174, "`vite --port $PORT --host`"),
    ("node node_modules/vite/bin/vite.js", "node", 5173, "`node node_modules/vite/bin/vite.js --port $PORT`"),
    (
        "python3 -m http.server 9321 --bind 127.0.0.1",
        "python3",
        9321,
        "`python3 -m http.server $PORT --bind 127.0.0.1`",
    ),
    ("./serve -p9321 --size 93210", "serve", 9321, "`./serve -p$PORT --size 93210`"),
    ("./serve --listen [::1]:9321 | tee log", "serve", 9321, "`./serve --listen [::1]:$PORT | tee log`"),
    ("sh -c 'vite --port 4173'", "node", 4173, "`sh -c 'vite --port $PORT'`"),
    (("npx", "vite", "--port", "4173"), "node", 4173, "`npx vite --port $PORT` as a string, since"),
]


@pytest.mark.parametrize(("command", "program", "port", "pasted"), COMMANDS)
def test_what_to_do_is_said_with_the_users_own_command(
    command: str | tuple[str, ...], program: str, port: int, pasted: str
) -> None:
    said = fix(command, program, port)

    assert pasted in said
    assert str(port) in said


UNKNOWN = [
    ("python3 s.py", "python3", 5000),
    ("python3 flask-demo/app.py", "python3", 5000),
    ("node flask/s.js", "node", 5173),
    ("./serve", "node", 5173),
    ("ruby s.rb", "ruby", 4000),
    ("caddy run", "caddy", 2019),
    ("node -e 'require(\"http\").createServer().listen(5173)'", "node", 5173),
]


@pytest.mark.parametrize(("command", "program", "port"), UNKNOWN)
def test_a_program_that_nobody_knows_is_never_told_the_command_of_another(
    command: str, program: str, port: int
) -> None:
    assert fix(command, program, port) == (
        f"it listens on {port}: pass $PORT on the command line, or make the program read PORT"
    )


def test_a_guess_by_the_port_is_said_as_a_guess() -> None:
    assert fix("npm run dev", "node", 5173) == (
        "it listens on 5173, as Vite does: if it is Vite, write `npm run dev -- --port $PORT`"
    )


def test_of_an_unknown_program_the_general_advice_is_given() -> None:
    assert fix("cargo run", "shop", 3030) == (
        "it listens on 3030: pass $PORT on the command line, or make the program read PORT"
    )


def test_a_command_that_names_the_port_already_is_not_told_to_name_it() -> None:
    assert "write `command` as a string" in fix(("vite", "--port", "$PORT"), "node", 5173)
    assert fix("vite --port $PORT", "node", 5173) == (
        "it listens on 5173, although its command contains $PORT: check where $PORT goes"
    )


@pytest.mark.parametrize(
    "command", ["vitest", "nextcloud", "python3 server.py", "node trails.js", "my-vite", "vite/s"]
)
def test_a_name_inside_another_word_is_not_taken_for_a_server(command: str) -> None:
    assert recognise(command) is None
