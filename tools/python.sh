# Finds a Python that locald can run on and leaves it in $python; to be sourced by ./locald and ./test.
#
# A name on the PATH proves little: version managers put up names that lead nowhere. So each is run.

python=
for candidate in python3 python3.14 python3.13 python3.12 python3.11 python; do
    if "$candidate" -I -c 'import sys; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1; then
        python=$candidate
        break
    fi
done
if [ -z "$python" ]; then
    echo 'error: no Python 3.11 or newer on the PATH' >&2
    echo 'hint: on Debian and Ubuntu: sudo apt-get install python3 python3-venv; elsewhere: https://www.python.org/downloads/' >&2
    return 1
fi
