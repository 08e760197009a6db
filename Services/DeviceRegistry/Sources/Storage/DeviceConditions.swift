import Domain
import JSON
import PostgresClient

/// Conditions over `registry.devices d LEFT JOIN registry.presence p`.
enum DeviceConditions {
    /// Whether deleted devices are meant.
    enum Deleted: String, CaseIterable, Sendable { case exclude, include, only }

    static func deleted(_ deleted: Deleted) -> SQLFragment? {
        switch deleted {
        case .exclude: "d.deleted_at IS NULL"
        case .include: nil
        case .only: "d.deleted_at IS NOT NULL"
        }
    }

    static func type(_ name: RegistryName) -> SQLFragment { "d.type = \(bind: .text(name.text))" }
    static func lifecycle(_ lifecycle: Lifecycle) -> SQLFragment { "d.lifecycle = \(bind: .text(lifecycle.rawValue))" }
    static func parent(_ id: DeviceID) -> SQLFragment { "d.parent = \(bind: .text(id.text))" }

    static func status(_ status: DeviceStatus) -> SQLFragment {
        status == .offline ? "coalesce(p.status, 'offline') = 'offline'" : "p.status = \(bind: .text(status.rawValue))"
    }

    /// Carrying all these labels.
    static func labels(_ labels: LabelSet) -> SQLFragment { "d.labels @> (\(bind: .text(labels.json.text)))::jsonb" }

    /// Whose id begins so.
    static func idPrefix(_ prefix: String) -> SQLFragment { "starts_with(d.id, \(bind: .text(prefix)))" }
}
