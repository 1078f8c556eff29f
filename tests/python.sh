# Sourced by scripts that run Python tools: makes a virtual environment with what the tests need.

# Makes the environment in the folder $1 and installs tests/requirements.txt into it, once.
python_environment() {
    local venv=$1 stamp=$1/requirements.txt
    cmp -s tests/requirements.txt "$stamp" && return
    [ -x "$venv/bin/pip" ] || python3 -m venv "$venv" || return 1
    "$venv/bin/pip" --disable-pip-version-check install --quiet -r tests/requirements.txt &&
        cp tests/requirements.txt "$stamp"
}
