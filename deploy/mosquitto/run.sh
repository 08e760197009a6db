#!/bin/sh
# Mosquitto as it is shipped here, in FOLDER (default /mosquitto): config/ holds the files beside this one, pki/ the certificates.
#     run.sh [FOLDER]
# What it denies is counted in pki/denied (denied.awk). When pki/crl.pem was replaced, the broker reads it again: in a container nobody else can
# signal it. The process becomes the broker's own.
set -eu
folder=${1:-/mosquitto}
list=$folder/pki/crl.pem
log=${TMPDIR:-/tmp}/broker-log.$$
broker=$$

mkfifo -m 600 "$log"
interactive=''
if awk -W version 2>&1 </dev/null | grep -q '^mawk'; then interactive='-W interactive'; fi
# shellcheck disable=SC2086 # two words or none
awk $interactive -v file="$folder/pki/denied" -f "$folder/config/denied.awk" <"$log" &

(
    exec >/dev/null 2>&1
    seen=$(stat -c '%i %Y' "$list" || true)
    # A look a second costs nothing, and inotify is not in every image.
    while sleep 1 && kill -0 "$broker"; do
        now=$(stat -c '%i %Y' "$list" || true)
        [ "$now" = "$seen" ] || kill -HUP "$broker"
        seen=$now
    done
) &

exec >"$log" 2>&1
rm -f "$log"
exec mosquitto -c "$folder/config/mosquitto.conf"
