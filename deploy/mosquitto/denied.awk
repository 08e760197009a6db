# Mosquitto's log with `log_type debug` in, what a person wants to read out. Publishes that the access rules denied are counted in the file that
# -v file= names: a decimal number and a newline, since the broker's start. mawk needs -W interactive to read a line as it comes.

function told() { printf "%d\n", denied > file; close(file) }

BEGIN { told() }

untold && $1 != second { told(); untold = 0 }

# Lines of a connection's every packet.
/^[0-9]+: (Received|Sending|No will message|Will message|Client .* (negotiated|QoS)|Outgoing)/ || /^[0-9]+: \t/ || /^[0-9]+: [^ ]+ [0-9] [^ ]+$/ { next }

# A device that is refused may go on trying: a second has room for twenty lines, and the rest is only counted.
/^[0-9]+: Denied PUBLISH / {
    denied++
    if ($1 != second) { second = $1; lines = 0 }
    if (++lines > 20) { untold = 1; next }
    told()
}

{ print; fflush() }
