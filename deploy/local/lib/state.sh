# shellcheck shell=bash
# Where the local stack keeps things, and what one call of up, down or status tells the next: `.local/state`, one key=value a line.

local_folder=$repository/.local
logs_folder=$local_folder/logs
state_file=$local_folder/state

state_open() {
    mkdir -p -- "$logs_folder" "$local_folder/run" || fail "cannot write to $local_folder"
    [[ -O $local_folder ]] || fail "$local_folder belongs to user $(stat -c %U "$local_folder"): run this as that user, or remove the folder"
    chmod 755 -- "$local_folder"
    touch -- "$state_file"
}

# One start or stop at a time. Descriptor 9 holds the lock and is closed in every process that outlives us.
state_lock() {
    exec 9>"$local_folder/lock"
    flock -w 60 9 || fail "another up or down is at work in $repository (waited 60 s for $local_folder/lock)"
}

state_unlock() { flock -u 9; }

state_get() {
    [[ -f $state_file ]] || return 0
    sed -n "s/^${1//./\\.}=//p" -- "$state_file"
}

state_set() {
    local key=$1 value=$2
    {
        grep -v "^${key//./\\.}=" -- "$state_file" || true
        printf '%s=%s\n' "$key" "$value"
    } >"$state_file.new"
    mv -- "$state_file.new" "$state_file"
}

# folder_for NAME USER: sets `folder` to a data folder that USER owns and can reach. The repository may lie below a folder that the servers'
# own users may not enter (a home folder); then the data goes below /var/tmp, with a link in .local.
folder_for() {
    local name=$1 user=$2 wanted=$local_folder/$1 outside
    folder=$wanted
    mkdir -p -- "$wanted" 2>/dev/null || fail "cannot make the folder $wanted"
    [[ $user != "$(id -un)" ]] || return 0
    if [[ ! -L $wanted ]]; then
        chown "$user:" -- "$wanted"
        run_as "$user" test -w "$wanted" 2>/dev/null && return 0
        outside=$(folder_outside)
        [[ -z $(ls -A -- "$wanted") ]] || fail "user $user cannot reach $wanted any more; open the folders above it to him or remove it"
        mkdir -p -m 711 -- "$outside"
        # Anybody can make folders there: one that is not ours may be a trap.
        [[ -O $outside && ! -L $outside ]] || fail "$outside belongs to somebody else: have it removed"
        outside=$outside/$name
        mkdir -p -- "$outside"
        rmdir -- "$wanted"
        ln -s -- "$outside" "$wanted"
    fi
    # The link itself is as unreachable as the folder was: servers get the real path.
    folder=$(readlink -f -- "$wanted")
    mkdir -p -- "$folder"
    chown "$user:" -- "$folder"
    run_as "$user" test -w "$folder" 2>/dev/null || fail "user $user cannot write to $folder"
    note "data of $name lies in $folder, because user $user cannot enter $repository"
}

folder_outside() { printf '/var/tmp/martlet-%s' "$(printf '%s' "$repository" | cksum | cut -d ' ' -f 1)"; }

# server_user NAME: the account a server runs under: its Debian user when we are root, else ourselves.
server_user() { if ((EUID == 0)) && id -- "$1" >/dev/null 2>&1; then printf '%s' "$1"; else id -un; fi; }

run_as() {
    local user=$1
    shift
    if [[ $user == "$(id -un)" ]]; then "$@"; else setpriv --reuid "$user" --regid "$(id -gn "$user")" --init-groups -- "$@"; fi
}
