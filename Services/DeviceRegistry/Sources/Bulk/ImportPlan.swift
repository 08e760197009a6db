import Domain
import JSON

/// What one batch of rows comes to: which devices are to be made and changed, and what is said of each row. Pure; what it must know of the
/// stored devices is given to it and stands still while the plan is carried out.
struct ImportPlan {
    /// What the batch's rows name, as stored.
    struct Known {
        var devices: [DeviceID: Device] = [:]
        /// Default labels by type.
        var types: [RegistryName: LabelSet] = [:]
        /// Every parent that a row names, and all that stands above it, up to the root.
        var ancestors: [DeviceID: Ancestor] = [:]
    }

    struct Ancestor: Hashable, Sendable {
        var parent: DeviceID?
        var isDeleted = false
    }

    /// A gateway may stand behind gateways, so many in a row.
    static let deepestParents = 16

    private let mode: ImportMode
    private let now: Timestamp
    private var known: Known
    /// As they will be stored; absent where nothing changed.
    private var changed: [DeviceID: Device] = [:]
    private var fresh: Set<DeviceID> = []
    private(set) var results: [RowResult] = []
    /// Rows whose parent is not there: it may stand further down in the file.
    private(set) var deferred: [ImportRow] = []

    init(_ rows: [ImportRow], mode: ImportMode, known: Known, now: Timestamp) {
        (self.mode, self.known, self.now) = (mode, known, now)
        results.reserveCapacity(rows.count)
        take(rows)
        // Within a batch the order of gateways and what stands behind them does not matter.
        while !deferred.isEmpty {
            let waiting = deferred
            deferred = []
            take(waiting)
            if deferred.count == waiting.count { break }
        }
    }

    /// Devices to be made.
    var creations: [Device] { fresh.compactMap { changed[$0] }.sorted { $0.id < $1.id } }
    /// Devices to be changed, as they will be.
    var updates: [Device] { changed.values.filter { !fresh.contains($0.id) }.sorted { $0.id < $1.id } }

    private mutating func take(_ rows: [ImportRow]) {
        for row in rows {
            switch row.content {
            case .failure(let fault): say(row, nil, .failed(fault))
            case .success(let content):
                do throws(RowFault) {
                    guard let outcome = try decide(content) else {
                        deferred.append(row)
                        continue
                    }
                    say(row, content.id, outcome)
                } catch {
                    say(row, content.id, .failed(error))
                }
            }
        }
    }

    private mutating func say(_ row: ImportRow, _ id: DeviceID?, _ outcome: RowResult.Outcome) {
        results.append(RowResult(line: row.line, id: id?.text, outcome: outcome))
    }

    // MARK: one row

    /// - Returns: nil when the row's parent is not there yet.
    private mutating func decide(_ content: ImportRow.Content) throws(RowFault) -> RowResult.Outcome? {
        let before = changed[content.id] ?? known.devices[content.id]
        do {
            guard let before else { return try create(content) }
            guard before.deletedAt == nil else {
                throw Refusal(.deleted, "id", "device \(content.id) was deleted; its id is free again once it is purged")
            }
            return try change(before, content)
        } catch let fault as FieldFault {
            throw RowFault(fault)
        } catch let refusal as Refusal {
            throw RowFault(refusal)
        } catch {
            throw RowFault(RowFault.malformedRow, nil, "\(error)")
        }
    }

    private mutating func create(_ content: ImportRow.Content) throws -> RowResult.Outcome? {
        guard mode != .update else { throw Refusal(.deviceUnknown, "id", "there is no device \(content.id)") }
        var draft = try DeviceDraft(JSONValue.object([JSONValue.Member]()).merged(with: content.patch), id: content.id, isWhole: false)
        guard let defaults = known.types[draft.type] else { throw Self.typeUnknown(draft.type) }
        guard try hasParent(draft, content.id, before: nil) else { return nil }
        // A label that the row says is not there stays away, whatever the type says.
        let refused = (content.patch["labels"]?.objectValue ?? []).filter { $0.value == .null }.map(\.name)
        let given = try LabelSet(
            .object(defaults.pairs.filter { !refused.contains($0.key) }.map { .init(name: $0.key, value: .string($0.value)) }))
        draft.labels = draft.labels.filled(from: given)
        let blank = Device(
            id: content.id, revision: 1, type: draft.type, lifecycle: .provisioned, labels: LabelSet(), attributes: FreeDocument(),
            facts: FreeDocument(), registeredAt: now, updatedAt: now)
        changed[content.id] = try blank.applying(draft)
        fresh.insert(content.id)
        known.ancestors[content.id] = Ancestor(parent: draft.parent)
        return .created
    }

    private mutating func change(_ before: Device, _ content: ImportRow.Content) throws -> RowResult.Outcome? {
        let draft = try DeviceDraft(before.draft.json.merged(with: content.patch), id: content.id, isWhole: false)
        guard known.types[draft.type] != nil else { throw Self.typeUnknown(draft.type) }
        guard try hasParent(draft, content.id, before: before.parent) else { return nil }
        var after = try before.applying(draft)
        guard !after.isSame(as: before) else { return .unchanged }
        guard mode != .create else { throw Refusal(.alreadyExists, "id", "device \(content.id) exists already and is not as the row says") }
        after.revision = before.revision + 1
        after.updatedAt = now
        changed[content.id] = after
        known.ancestors[content.id] = Ancestor(parent: after.parent)
        return .updated
    }

    private static func typeUnknown(_ type: RegistryName) -> Refusal {
        Refusal(.typeUnknown, "type", "there is no device type '\(type)'; GET /v1/types lists them")
    }

    /// Walks up from a parent that the device did not have before.
    /// - Returns: false when there is no such parent.
    private func hasParent(_ draft: DeviceDraft, _ id: DeviceID, before: DeviceID?) throws(Refusal) -> Bool {
        guard let parent = draft.parent, parent != before else { return true }
        guard known.ancestors[parent]?.isDeleted == false || parent == id else { return false }
        var place: DeviceID? = parent
        var depth = 0
        while let ancestor = place {
            guard ancestor != id else { throw Refusal(.parentLoop, "parent", "device \(id) stands above \(parent) or is the same") }
            depth += 1
            guard depth <= Self.deepestParents else {
                throw Refusal(.parentLoop, "parent", "more than \(Self.deepestParents) devices stand above each other")
            }
            place = known.ancestors[ancestor]?.parent
        }
        return true
    }
}
