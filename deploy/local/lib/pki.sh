# shellcheck shell=bash
# The authority that signs devices' certificates, and the broker's own certificate: see Services/DeviceRegistry/README.md.

# The authority's files are ours alone. The broker's are in its own folder: certificate and key, and the list of revoked certificates, which the
# registry replaces.
pki_authority=$local_folder/pki
pki_broker() { printf '%s/pki' "$(state_get mosquitto.folder)"; }

# pki_ensure USER: makes what is missing; USER is to read the broker's part.
pki_ensure() {
    local user=$1 broker
    broker=$(pki_broker)
    mkdir -p -m 700 -- "$pki_authority"
    mkdir -p -- "$broker"
    step pki "$(martlet_tool pki create-authority --certificate "$pki_authority/ca.pem" --private-key "$pki_authority/ca.key" \
        --revocation-list "$broker/crl.pem")"
    martlet_tool pki issue-server --certificate "$pki_authority/ca.pem" --private-key "$pki_authority/ca.key" --hosts localhost,127.0.0.1 \
        --server-certificate "$broker/broker.pem" --server-key "$broker/broker.key" >/dev/null
    cp -- "$pki_authority/ca.pem" "$broker/ca.pem"
    chown -R "$user:" -- "$broker"
}
