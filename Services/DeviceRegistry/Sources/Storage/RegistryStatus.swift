import Synchronization

/// What the parts of the service know of each other's state.
final class RegistryStatus: Sendable {
    private let migration = Atomic<Bool>(false)

    var isMigrated: Bool { migration.load(ordering: .acquiring) }
    func migrated() { migration.store(true, ordering: .releasing) }
}
