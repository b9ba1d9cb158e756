"""A program that listens elsewhere is told how to listen on $PORT, in a command that can be pasted."""

from __future__ import annotations

import pytest

from locald.domain.knowledge.origin import Origin
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
    (
        "granian --interface asgi shop:app",
        "granian",
        8000,
        "`granian --interface asgi shop:app --port $PORT`",
    ),
    ("waitress-serve shop:app", "waitress-serve", 8080, "`waitress-serve --port=$PORT shop:app`"),
    ("daphne shop.asgi:app", "daphne", 8000, "`daphne shop.asgi:app -p $PORT`"),
    ("litestar --app shop:app run", "litestar", 8000, "`litestar --app shop:app run --port $PORT`"),
    ("sanic shop:app", "sanic", 8000, "`sanic shop:app --port $PORT`"),
    ("moto_server", "moto_server", 5000, "`moto_server -p $PORT`"),
    ("luigid", "luigid", 8082, "`luigid --port $PORT`"),
    ("python3 -m aiosmtpd -n", "python3", 8025, "`python3 -m aiosmtpd -n -l 127.0.0.1:$PORT`"),
    ("npx wrangler dev", "node", 8787, "`npx wrangler dev --port $PORT`"),
    ("npx json-server db.json", "node", 3000, "`npx json-server db.json --port $PORT`"),
    ("http-server public", "node", 8080, "`http-server public -p $PORT`"),
    ("npx docusaurus start", "node", 3000, "`npx docusaurus start --port $PORT`"),
    ("./mvnw spring-boot:run", "java", 8080, "`SERVER_PORT=$PORT ./mvnw spring-boot:run`"),
    ("cd api && ./gradlew bootRun", "java", 8080, "`cd api && SERVER_PORT=$PORT ./gradlew bootRun`"),
    ("quarkus dev", "java", 8080, "`QUARKUS_HTTP_PORT=$PORT quarkus dev`"),
    ("./gradlew quarkusDev", "java", 8080, "`QUARKUS_HTTP_PORT=$PORT ./gradlew quarkusDev`"),
    (("npx", "vite", "--port", "4173"), "node", 4173, "`npx vite --port $PORT` as a string, since"),
]


@pytest.mark.parametrize(("command", "program", "port", "pasted"), COMMANDS)
def test_what_to_do_is_said_with_the_users_own_command(
    command: str | tuple[str, ...], program: str, port: int, pasted: str
) -> None:
    said = fix(command, program, port)

    assert pasted in said
    assert str(port) in said


SEEN = [
    # The process that listens says what it is: a wrapper has no name for it, or several.
    ("make dev", Origin("venv/bin/flask run"), 5000, "write `FLASK_RUN_PORT=$PORT make dev`"),
    ("make flask", Origin("venv/bin/flask run"), 5000, "write `FLASK_RUN_PORT=$PORT make flask`"),
    ("./run.sh", Origin("venv/bin/uvicorn"), 8000, "write `UVICORN_PORT=$PORT ./run.sh`"),
    ("./run.sh", Origin("gunicorn"), 8000, "write `GUNICORN_CMD_ARGS=--bind=127.0.0.1:$PORT ./run.sh`"),
    ("make dev", Origin("vite/bin/vite.js"), 5173, "start it with `--port $PORT`"),
    ("npm run dev", Origin("vite/bin/vite.js", "vite", "dev"), 5173, "write `npm run dev -- --port $PORT`"),
    ("npm run dev", Origin("vite/bin/vite.js"), 5173, "write `npm run dev -- --port $PORT`"),
    ("yarn dev", Origin("bin/next", "tsc && next dev", "dev"), 3000, "write `yarn dev -p $PORT`"),
    # An argument does not reach it, or comes twice.
    (
        "npm run dev",
        Origin("vite/bin/vite.js", "vite --port 3000", "dev"),
        3000,
        'write `vite --port $PORT` in the script "dev" of package.json',
    ),
    (
        "npm run dev",
        Origin("vite/bin/vite.js", "vite", "client"),
        5173,
        'write `vite --port $PORT` in the script "client" of package.json',
    ),
    (
        "pnpm dev",
        Origin("vite/bin/vite.js", "vite & tsc -w", "dev"),
        5173,
        'start it with `--port $PORT` in the script "dev" of package.json',
    ),
    (
        "npm run api",
        Origin("bin/flask run", "flask run | tee log", "api"),
        5000,
        "write `FLASK_RUN_PORT=$PORT npm run api`",
    ),
]


@pytest.mark.parametrize(("command", "origin", "port", "told"), SEEN)
def test_how_the_process_was_started_says_what_reaches_it(
    command: str, origin: Origin, port: int, told: str
) -> None:
    said = fix(command, "node", port, origin)

    assert said.partition(": ")[2] == told


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
