# Prometheus text of both services in, one line out. `state` keeps what the last call saw, for rates and for percentiles of the last seconds.
#
# lost: what the services' conservation counters cannot account for (received − produced − rejected − returned − in flight, and the writer's
# consumed − written − duplicate − dead-lettered − returned − in flight). The counters are read one after the other while they move, so a difference
# counts only once it has stood for three readings.

function thousands(number,    text, out) {
    text = sprintf("%d", number)
    while (length(text) > 3) { out = "," substr(text, length(text) - 2) out; text = substr(text, 1, length(text) - 3) }
    return text out
}

function milliseconds(seconds) {
    if (seconds < 0) return "–"
    if (seconds == "+Inf") return "> largest bucket"
    return seconds < 0.01 ? sprintf("%.1f ms", seconds * 1000) : seconds < 10 ? sprintf("%.0f ms", seconds * 1000) : sprintf("%.0f s", seconds)
}

# Linear inside the bucket, as Prometheus' histogram_quantile.
function quantile(q,    i, total, rank, below, count) {
    total = delta[bound_count]
    if (total <= 0) return -1
    rank = q * total
    for (i = 1; i <= bound_count; i++) if (delta[i] >= rank) break
    if (bounds[i] == "+Inf") return bounds[bound_count - 1]
    below = i > 1 ? delta[i - 1] : 0
    count = delta[i] - below
    lower = i > 1 ? bounds[i - 1] : 0
    return count > 0 ? lower + (bounds[i] - lower) * (rank - below) / count : bounds[i]
}

BEGIN {
    while ((getline line < state) > 0) { split(line, pair, "\t"); old[pair[1]] = pair[2] }
    close(state)
}

$1 == "at" { at = $2; next }
/^#/ { next }
/^iot_end_to_end_seconds_bucket/ {
    match($0, /le="[^"]*"/)
    le = substr($0, RSTART + 4, RLENGTH - 5)
    if (!(le in bucket)) { bounds[++bound_count] = le }
    bucket[le] += $NF
    next
}
{ name = $1; sub(/\{.*/, "", name); sum[name] += $NF }

END {
    received = sum["iot_mqtt_messages_received_total"]
    rows = sum["iot_rows_written_total"]
    elapsed = at - old["at"]
    rate = old["at"] > 0 && elapsed > 0 && received >= old["received"] ? (received - old["received"]) / elapsed : 0

    # Percentiles over the last five readings: the oldest snapshot still kept is the base.
    for (i = 1; i <= bound_count; i++) {
        base = old["bucket5 " bounds[i]]
        delta[i] = bucket[bounds[i]] - (base <= bucket[bounds[i]] ? base : 0)
    }

    residual = received - sum["iot_mqtt_messages_produced_total"] - sum["iot_mqtt_messages_rejected_total"] \
        - sum["iot_mqtt_messages_returned_total"] - sum["iot_mqtt_messages_in_flight"]
    missing = residual > 0 ? residual : 0
    residual = sum["iot_records_consumed_total"] - sum["iot_records_written_total"] - sum["iot_records_duplicate_total"] \
        - sum["iot_records_dead_lettered_total"] - sum["iot_records_returned_total"] - sum["iot_records_in_flight"]
    missing += residual > 0 ? residual : 0
    lost = missing
    for (i = 1; i <= 2; i++) { kept = ("missing" i) in old ? old["missing" i] : 0; if (kept < lost) lost = kept }

    printf "in %s msg/s   rows stored %s   end to end p50 %s p99 %s   lag %s   lost %s   duplicates %s%s\n", thousands(rate + 0.5), thousands(rows), \
        milliseconds(quantile(0.5)), milliseconds(quantile(0.99)), thousands(sum["iot_consumer_lag_records"]), thousands(lost), \
        thousands(sum["iot_rows_duplicate_total"]), (sum["iot_consumer_incident"] > 0 ? "   THE WRITER HAS STOPPED, see its log" : "")

    print "at\t" at > state
    print "received\t" received > state
    print "missing1\t" missing > state
    print "missing2\t" (old["missing1"] + 0) > state
    for (i = 1; i <= bound_count; i++) {
        le = bounds[i]
        for (age = 5; age > 1; age--) if (("bucket" (age - 1) " " le) in old) print "bucket" age " " le "\t" old["bucket" (age - 1) " " le] > state
        print "bucket1 " le "\t" bucket[le] > state
    }
}
