import Domain
import JSON

extension VerificationReport {
    /// One JSON object. Counts without another word are readings, each of them one database row.
    func json(ledger: String, plan: FleetPlan) -> JSONValue {
        .object([
            "ledger": .string(ledger), "finished": .bool(isFinished), "ok": .bool(isClean), "sent": .int(Int64(sent)),
            "acknowledged": .int(Int64(acknowledged)), "stored": .int(Int64(stored)),
            "unacknowledgedStored": .int(Int64(unacknowledgedStored)), "deadLettered": .int(Int64(deadLettered)),
            "lost": .int(Int64(lost)), "duplicated": .int(Int64(duplicated)), "invented": .int(Int64(invented)),
            "wrong": .int(Int64(wrong)),
            "messages": .object([
                "sent": .int(Int64(messages.sent)), "acknowledged": .int(Int64(messages.acknowledged)),
                "repeated": .int(Int64(messages.repeated)), "lost": .int(Int64(messages.lost)),
            ]),
            "records": records.map {
                .object([
                    "found": .int(Int64($0.found)), "repeated": .int(Int64($0.repeated)), "disordered": .int(Int64($0.disordered)),
                    "missing": .int(Int64($0.missing)),
                ])
            },
            "devices": .int(Int64(plan.devices)), "shape": .string(plan.shape.rawValue), "qos": .int(Int64(plan.qos)),
            "seed": JSONValue(unsigned: plan.seed),
            "examples": .object(
                Kind.allCases.compactMap { kind in
                    examples[kind].map { JSONValue.Member(name: kind.rawValue, value: .array($0.map(\.json))) }
                }),
        ])
    }

    func text(ledger: String, plan: FleetPlan) -> String {
        func line(_ name: String, _ count: Int, _ remark: String = "") -> String {
            let number = grouped(count)
            let left = name + String(repeating: " ", count: max(1, 28 - name.count - number.count)) + number
            return remark.isEmpty ? left : left + "   " + remark
        }
        var lines = [
            "\(ledger): \(grouped(plan.devices)) devices, shape \(plan.shape.rawValue), QoS \(plan.qos), "
                + (isFinished ? "simulation finished" : "simulation still running or killed"),
            line(
                "messages sent", messages.sent,
                messages.repeated > 0 ? "and \(grouped(messages.repeated)) of them once more on purpose" : ""),
            line("messages acknowledged", messages.acknowledged), "", line("readings sent", sent), line("acknowledged", acknowledged),
            line("stored", stored, unacknowledgedStored > 0 ? "\(grouped(unacknowledgedStored)) of them never acknowledged (allowed)" : ""),
        ]
        if deadLettered > 0 { lines.append(line("in the dead letters", deadLettered, "accounted for; see martlet tail dead-letters")) }
        if let records {
            lines.append(
                line(
                    "records in Kafka", records.found,
                    "\(grouped(records.repeated)) repeats, \(grouped(records.disordered)) out of order, \(grouped(records.missing)) missing"
                ))
        }
        lines += [line("lost", lost), line("duplicated", duplicated), line("invented", invented), line("wrong value", wrong), ""]
        for kind in Kind.allCases {
            for finding in examples[kind] ?? [] { lines.append("  \(kind.rawValue): \(finding.text)") }
        }
        lines.append(verdict(plan))
        return lines.joined(separator: "\n") + "\n"
    }

    private func verdict(_ plan: FleetPlan) -> String {
        guard isClean else { return "FAILED: what the broker acknowledged and what is stored differ" }
        if plan.qos == 0 {
            return "OK as far as QoS 0 goes: nothing was acknowledged, so nothing could be lost; what is stored was sent once"
        }
        if acknowledged == 0 { return "OK, but nothing was acknowledged: this proves nothing" }
        return "OK: every acknowledged reading is accounted for, none twice, none invented, all with the value that was sent"
    }
}

extension Finding {
    var json: JSONValue {
        .object([
            "device": .string(device), "metric": .string(metric), "time": .string(Timestamp(microseconds: time).rfc3339),
            "seq": sequence.map(JSONValue.init(unsigned:)), "found": found.map(JSONValue.init), "expected": expected.map(JSONValue.init),
        ])
    }

    var text: String {
        var text = "\(device) \(metric) at \(Timestamp(microseconds: time).rfc3339)"
        if let sequence { text += ", seq \(sequence)" }
        if let expected { text += ", sent \(JSONValue(expected).text)" }
        if let found { text += ", found \(JSONValue(found).text)" }
        return text
    }
}
