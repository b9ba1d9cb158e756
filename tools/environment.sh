# For ./locald and ./test to source, with $root set: sees to it that .venv is there and right.
#
# Nearly always it is, and then this must cost nothing: the environment's stamp names the folder it was
# made in and is newer than the files it was made from, which the shell can see without starting a
# program. Only otherwise is a Python looked for, and tools/environment.py asked to do the work.

# is_ready STAMP
is_ready() {
    made_in=
    [ -r "$1" ] && IFS= read -r made_in <"$1"
    [ "$made_in" = "$root" ] && [ -x "$root/.venv/bin/python" ] &&
        [ "$1" -nt "$root/pyproject.toml" ] && [ "$1" -nt "$root/constraints.txt" ]
}

# page_is_ready COMMAND: the dashboard's page is built and newer than its sources; or there is none because it
# could not be built, which is not tried again before somebody wants to see it. The shell looks by itself here too.
page_is_ready() {
    page=
    [ -d "$root/dashboard" ] || return 0
    [ -r "$root/.venv/.page" ] && IFS= read -r page <"$root/.venv/.page"
    case $page in
    "built $root") [ -r "$root/src/locald/daemon/dashboard/page/index.html" ] || return ;;
    missing) [ "$1" != dashboard ] || return ;; # somebody wants to see it
    *) return 1 ;;
    esac
    for source in "$root"/dashboard/*.* "$root"/dashboard/src "$root"/dashboard/src/* \
        "$root"/dashboard/src/*/* "$root"/dashboard/src/*/*/*; do
        [ "$source" -nt "$root/.venv/.page" ] && return 1
    done
    return 0
}

# make_page: 0 also when it cannot be built: only the dashboard needs it
make_page() {
    "$root/.venv/bin/python" -I "$root/tools/page.py" </dev/null >&2
}

# Leaves in $python the name of a Python that is new enough. Version managers put up names that lead
# nowhere, so being on the PATH proves little and each is run.
find_python() {
    for python in python3 python3.14 python3.13 python3.12 python3.11 python; do
        "$python" -I -c 'import sys; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1 && return
    done
    echo 'error: there is no Python 3.11 or newer on the PATH' >&2
    echo 'hint: on Debian and Ubuntu: sudo apt-get install python3 python3-venv;' \
        'elsewhere: https://www.python.org/downloads/' >&2
    return 3
}

# make_environment [--group NAME]: 0, or the exit code of what could not be done
make_environment() {
    find_python && "$python" -I "$root/tools/environment.py" "$@" </dev/null >&2
}
