# Shared by tools/demo and tools/test: finds Python, makes .venv, installs packages. Source it.
#
# Everything is kept in .venv of the repository root. A stamp there, keyed on what was asked for
# and on pyproject.toml, lets the second run skip all of it.

ROOT="$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)"
VENV="$ROOT/.venv"
LEFT_OUT=()   # sentences for the user
WANTED=()     # system packages that only root can bring

say() { printf '%s\n' "== $*" >&2; }

fail() { printf '%s\n' "$@" >&2; exit 1; }

is_root() { [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; }

# Those of the system packages that are not installed, a line each.
apt_missing() {
    local package
    for package in "$@"; do
        dpkg-query -W -f='${db:Status-Status}' "$package" 2>/dev/null | grep -qx installed ||
            printf '%s\n' "$package"
    done
}

# apt_install WHY PACKAGE...: installs what is missing, or notes what is left out and goes on.
apt_install() {
    local why="$1" missing=() package
    shift
    mapfile -t missing < <(apt_missing "$@")
    [ ${#missing[@]} = 0 ] && return 0
    if ! is_root; then
        LEFT_OUT+=("$why: needs root once: apt-get install ${missing[*]}")
        WANTED+=("${missing[@]}")
        return 0
    fi
    say "installing system packages: ${missing[*]}"
    export DEBIAN_FRONTEND=noninteractive
    local options=(-y -qq --no-install-recommends -o DPkg::Lock::Timeout=300 -o Dpkg::Use-Pty=0)
    if [ -z "${APT_UPDATED:-}" ]; then
        apt-get update -qq -o DPkg::Lock::Timeout=300 >/dev/null || say "apt-get update failed"
        APT_UPDATED=1
    fi
    apt-get install "${options[@]}" "${missing[@]}" >/dev/null && return 0
    for package in "${missing[@]}"; do   # one that does not exist must not cost the others
        apt-get install "${options[@]}" "$package" >/dev/null 2>&1 ||
            LEFT_OUT+=("$why: apt-get install $package failed")
    done
}

# A Python that we support and that can do what we need of it.
usable_python() {
    "$1" -c 'import sys, sqlite3, ssl, venv
sys.exit(not (3, 10) <= sys.version_info[:2] < (3, 14))' 2>/dev/null
}

find_python() {
    local name
    for name in ${PYTHON:-} python3 python3.13 python3.12 python3.11 python3.10; do
        usable_python "$name" && { command -v "$name"; return 0; }
    done
    return 1
}

make_venv() {
    "$VENV/bin/python" -m pip --version >/dev/null 2>&1 && return 0
    PYTHON_FOUND="$(find_python)" || {
        apt_install "Python" python3 python3-venv
        PYTHON_FOUND="$(find_python)" ||
            fail "No Python 3.10 to 3.13 found." \
                 "Install one (Debian, Ubuntu: apt-get install python3 python3-venv)," \
                 "or name one: PYTHON=/path/to/python3 $0"
    }
    say "making .venv with $("$PYTHON_FOUND" --version)"
    rm -rf "$VENV"
    "$PYTHON_FOUND" -c 'import ensurepip' 2>/dev/null || apt_install "Python" python3-venv
    if "$PYTHON_FOUND" -c 'import ensurepip' 2>/dev/null; then
        "$PYTHON_FOUND" -m venv "$VENV"
    elif "$PYTHON_FOUND" -m pip --version >/dev/null 2>&1; then
        "$PYTHON_FOUND" -m venv --without-pip "$VENV"
        "$PYTHON_FOUND" -m pip --python "$VENV/bin/python" install -q pip
    else
        fail "$PYTHON_FOUND has neither ensurepip nor pip, so packages cannot be installed." \
             "Install them (Debian, Ubuntu, as root: apt-get install python3-venv) and try again."
    fi
}

pip_install() {
    "$VENV/bin/python" -m pip install -q --no-compile --disable-pip-version-check \
        --no-input "$@"   # what is never imported need not be compiled
}

DEVICE_PACKAGES=(gcc libc6-dev python3-dev portaudio19-dev)   # PyAudio compiles

# install_with_device EXTRAS: tagalong with the extras, and with live sound where it can be had.
install_with_device() {
    pip_install -e "$ROOT[device,$1]" 2>"$VENV/device.log" && return 0
    pip_install -e "$ROOT[$1]"
    LEFT_OUT+=("live sound, files work: PyAudio was not built (.venv/device.log); next: sudo apt-get \
install ${DEVICE_PACKAGES[*]}, then this command again")
}

# What a setup depends on, as one number; the folder counts because .venv holds its path.
stamp() {
    { printf '%s' "$ROOT"; cat "$ROOT/pyproject.toml" "$ROOT/tools/setup.sh" "$ROOT/tools/$1"; } |
        sha256sum | cut -d' ' -f1
}

# is_set_up NAME: nothing has changed since `set_up_done NAME`. What had to be left out then is
# tried again as soon as we are root, or when root brought a package meanwhile.
is_set_up() {
    local file="$VENV/stamp-$1"
    [ "$(cat "$file" 2>/dev/null)" = "$(stamp "$1")" ] || return 1
    "$VENV/bin/python" -c '' 2>/dev/null || return 1
    [ -s "$file.left-out" ] || return 0
    is_root && return 1
    mapfile -t WANTED <"$file.wanted"
    [ "$(apt_missing "${WANTED[@]}" | wc -l)" = ${#WANTED[@]} ] || return 1
    mapfile -t LEFT_OUT <"$file.left-out"
}

set_up_done() {
    stamp "$1" >"$VENV/stamp-$1"
    : >"$VENV/stamp-$1.left-out"
    : >"$VENV/stamp-$1.wanted"
    [ ${#LEFT_OUT[@]} = 0 ] || printf '%s\n' "${LEFT_OUT[@]}" >"$VENV/stamp-$1.left-out"
    [ ${#WANTED[@]} = 0 ] || printf '%s\n' "${WANTED[@]}" >"$VENV/stamp-$1.wanted"
}

say_left_out() {
    [ ${#LEFT_OUT[@]} = 0 ] && return 0
    say "left out:"
    printf '   %s\n' "${LEFT_OUT[@]}" >&2
}
