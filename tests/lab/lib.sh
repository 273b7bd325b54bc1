# Shared by the lab scripts: sourced, never run. bash.
# A process is remembered as "PID STARTTIME" so that a recycled pid is never
# signalled: what a script did not start, it does not touch.

die() { printf '%s: %s\n' "${0##*/}" "$*" >&2; exit 1; }
say() { [ -n "${LAB_QUIET:-}" ] || printf '%s\n' "$*" >&2; }
need() { local c; for c; do command -v "$c" >/dev/null 2>&1 || die "needs '$c' on PATH"; done; }

# The start time (clock ticks since boot) of a pid: field 22 of stat, read after
# the last ')' because a command's name may hold spaces.
pid_start() {
    local s; { read -r s < "/proc/$1/stat"; } 2>/dev/null || return 1
    s=${s##*) }; set -- $s; printf '%s' "${20}"
}
pid_save() { printf '%s %s\n' "$2" "$(pid_start "$2")" > "$1"; }           # FILE PID
pid_live() {                                                              # FILE -> prints the pid if it is still ours
    local p s st
    [ -s "$1" ] || return 1
    read -r p s < "$1"
    [ "$(pid_start "$p")" = "$s" ] || return 1
    st=$(sed 's/.*) //' "/proc/$p/stat" 2>/dev/null) || return 1
    [ "${st%% *}" != Z ] || return 1
    printf '%s' "$p"
}
pid_kill() {                                                              # FILE [SIGNAL] [WAIT_SECONDS]
    local p n; p=$(pid_live "$1") || { rm -f "$1"; return 0; }
    kill "-${2:-TERM}" "$p" 2>/dev/null
    n=$(( ${3:-5} * 50 ))
    while [ $n -gt 0 ] && pid_live "$1" >/dev/null; do sleep 0.02; n=$((n - 1)); done
    if pid_live "$1" >/dev/null; then kill -KILL "$p" 2>/dev/null; sleep 0.1; fi
    rm -f "$1"
}
# Starts a command of its own session with no terminal; $! is its pid.
spawn() { local log=$1; shift; setsid "$@" </dev/null >>"$log" 2>&1 & }
wait_for() {                                                              # SECONDS COMMAND...
    local n=$(( $1 * 50 )); shift
    while ! "$@" >/dev/null 2>&1; do n=$((n - 1)); [ $n -gt 0 ] || return 1; sleep 0.02; done
}
