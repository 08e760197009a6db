# shellcheck shell=bash
# Debian packages: only what is missing gets installed.

# Headers and libraries behind the C targets of Shared/.
packages_build=(libpq-dev librdkafka-dev libmosquitto-dev libmicrohttpd-dev libgnutls28-dev libssl-dev)
# Servers and the programs that the scripts and their examples call.
packages_servers=(postgresql-15 redis-server mosquitto)
packages_tools=(mosquitto-clients redis-tools curl openssl iproute2 procps python3)

packages_ensure() {
    local -a wanted=("${packages_build[@]}" "${packages_servers[@]}" "${packages_tools[@]}") missing=()
    local name log=$logs_folder/packages.log
    if [[ -n ${KAFKA_HOME:-} && -z ${MARTLET_KAFKA:-} ]] && ! command -v java >/dev/null; then wanted+=(openjdk-17-jre-headless); fi
    if ! command -v dpkg-query >/dev/null; then
        step packages "this is no Debian: have these installed by their names here: ${wanted[*]}"
        return
    fi
    for name in "${wanted[@]}"; do
        if [[ $(dpkg-query -W -f '${db:Status-Status}' "$name" 2>/dev/null) != installed ]]; then missing+=("$name"); fi
    done
    if ((${#missing[@]} == 0)); then
        step packages "all ${#wanted[@]} present"
        return
    fi
    step packages "installing ${missing[*]}"
    packages_install "$log" "${missing[@]}" || fail "apt-get could not install ${missing[*]}; by hand: apt-get install ${missing[*]}" "$log"
}

# The servers' packages start a system service on the usual ports at once. The stack runs its own, so a policy that refuses such starts stands
# for the length of the installation (invoke-rc.d(8)), unless the machine has a policy already.
packages_policy=/usr/sbin/policy-rc.d
packages_install() {
    local log=$1 code=0
    shift
    local -a root=()
    if ((EUID != 0)); then
        command -v sudo >/dev/null || fail "not root and no sudo here; have root run: apt-get install $*"
        root=(sudo)
        sudo -v || fail "sudo is needed to install $*"
    fi
    local made_policy=''
    if [[ ! -e $packages_policy ]]; then
        printf '#!/bin/sh\nexit 101\n' | "${root[@]}" tee "$packages_policy" >/dev/null
        "${root[@]}" chmod 755 "$packages_policy"
        made_policy=yes
    fi
    # In the foreground: sudo may ask for a password, and its ticket is bound to this terminal.
    {
        "${root[@]}" apt-get update -q && "${root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends "$@"
    } 9>&- 2>&1 | tee "$log" | sed -u -n 's/^\(Get:\|Unpacking\|Setting up\)/             &/p' || code=$?
    if [[ -n $made_policy ]]; then "${root[@]}" rm -f "$packages_policy"; fi
    return "$code"
}
