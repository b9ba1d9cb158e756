"""A program that listens elsewhere is told how to listen on $PORT, in a command that can be pasted."""

from __future__ import annotations

import pytest

from locald.domain.knowledge.port_options import fix, recognise

COMMANDS = [
    ("vite", "node", 5173, "`vite --port $PORT`"),
    ("npx vite dev", "node", 5173, "`npx vite dev --port $PORT`"),
    ("npm run dev", "node", 5173, "`npm run dev -- --port $PORT`"),
    ("npm run dev", "node", 5173, "`vite --port $PORT`"),
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
    ("flask run", "python3", 5000, "`flask run --port $PORT`"),
    ("flask --app shop run --port 5001", "python3", 5001, "`flask run --port $PORT`"),
    ("uvicorn shop:app --reload", "uvicorn", 8000, "`uvicorn shop:app --reload --port $PORT`"),
    ("gunicorn shop:app", "gunicorn", 8000, "`gunicorn shop:app --bind 127.0.0.1:$PORT`"),
    ("hypercorn shop:app", "hypercorn", 8000, "`hypercorn shop:app --bind 127.0.0.1:$PORT`"),
    ("bin/rails server", "ruby", 3000, "`bin/rails server -p $PORT`"),
    ("php -S localhost:8000", "php", 8000, "`php -S 127.0.0.1:$PORT`"),
    ("hugo server", "hugo", 1313, "`hugo server --port $PORT`"),
    ("bundle exec jekyll serve", "ruby", 4000, "`bundle exec jekyll serve --port $PORT`"),
    ("python3 -m http.server 8000", "python3", 8000, "`python3 -m http.server $PORT`"),
    ("cd web && npm run dev", "node", 5173, "`vite --port $PORT`"),
    ("make dev", "hugo", 9999, "`hugo server --port $PORT`"),
]


@pytest.mark.parametrize(("command", "program", "port", "pasted"), COMMANDS)
def test_the_fix_of_a_known_server_is_a_command(command: str, program: str, port: int, pasted: str) -> None:
    said = fix(command, program, port)

    assert pasted in said
    assert str(port) in said


def test_of_an_unknown_program_the_general_advice_is_given() -> None:
    assert fix("cargo run", "shop", 3030) == (
        "it listens on 3030: pass $PORT on the command line, or make the program read PORT"
    )


def test_a_command_that_names_the_port_already_is_not_told_to_name_it() -> None:
    assert "write `command` as a string" in fix("vite --port $PORT", "node", 5173)


@pytest.mark.parametrize("command", ["vitest", "nextcloud", "python3 server.py", "node trails.js"])
def test_a_name_inside_another_word_is_not_taken_for_a_server(command: str) -> None:
    assert recognise(command) is None


@pytest.mark.parametrize(("program", "port"), [("python3", 5173), ("node", 5000), ("java", 4000)])
def test_a_port_says_nothing_of_a_program_that_is_no_such_server(program: str, port: int) -> None:
    assert recognise("./serve", program, port) is None
