import Testing

@testable import DeviceRegistry

@Suite("The guard against replays")
struct ReplayGuardTests {
    private let credential = CredentialID(number: 1)

    @Test("remembers what could be shown again, and no more")
    func memory() {
        let replays = ReplayGuard(window: .seconds(10))
        var now: Int64 = 1_700_000_000_000
        for _ in 0..<200 {
            for offset: Int64 in [-10_000, 0, 10_000] { #expect(replays.take(credential, now + offset, now: now) == .fresh) }
            #expect(replays.take(credential, now, now: now) == .replayed)
            #expect(replays.take(credential, now + 10_000, now: now + 20_000) == .replayed)
            now += 50_001
        }
        #expect(replays.count <= 6, "what is too old to be shown again is gone")
    }

    @Test("credentials do not stand in each other's way, and a full guard lets nobody in")
    func bound() {
        let replays = ReplayGuard(window: .seconds(10), capacity: 3)
        for number: UInt64 in 1...3 { #expect(replays.take(CredentialID(number: number), 5_000, now: 5_000) == .fresh) }
        #expect(replays.take(CredentialID(number: 4), 5_000, now: 5_000) == .full)
        #expect(replays.take(CredentialID(number: 3), 5_000, now: 5_000) == .replayed)
        #expect(replays.take(CredentialID(number: 4), 60_000, now: 60_000) == .fresh, "time makes room")
    }

    @Test("one credential has its share and leaves the others theirs")
    func share() {
        let replays = ReplayGuard(window: .seconds(10), capacity: 100, share: 5)
        for offset: Int64 in 0..<5 { #expect(replays.take(credential, 5_000 + offset, now: 5_000) == .fresh) }
        #expect(replays.take(credential, 5_005, now: 5_000) == .full)
        #expect(replays.take(credential, 5_004, now: 5_000) == .replayed)
        #expect(replays.take(CredentialID(number: 2), 5_005, now: 5_000) == .fresh)
        #expect(replays.take(credential, 10_000, now: 10_000) == .fresh, "a new window, a new share")
    }

    @Test("of many who show one signature at once, one is let in")
    func race() async {
        let replays = ReplayGuard(window: .seconds(10))
        let accepted = await withTaskGroup(of: Int.self) { group in
            for _ in 0..<64 { group.addTask { replays.take(credential, 5_000, now: 5_000) == .fresh ? 1 : 0 } }
            return await group.reduce(0, +)
        }
        #expect(accepted == 1)
    }
}
