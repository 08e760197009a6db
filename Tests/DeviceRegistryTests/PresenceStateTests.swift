import Domain
import JSON
import TestSupport
import Testing

@testable import DeviceRegistry

@Suite("How the status follows from signs")
struct PresenceStateTests {
    private typealias State = PresenceState

    private func at(_ seconds: Int, _ offset: Int64 = 0) -> State.Moment { .init(time: time(seconds), offset: offset) }
    private func time(_ seconds: Int) -> Timestamp { Timestamp(microseconds: Int64(seconds) * 1_000_000) }
    private func report(_ status: DeviceStatus, _ session: String?, _ moment: State.Moment) -> State.Sign {
        .report(.init(status: status, session: session, moment: moment))
    }
    private func online(_ session: String?, _ seconds: Int) -> State.Sign { report(.online, session, at(seconds)) }
    private func end(_ session: String?, _ seconds: Int) -> State.Sign { .end(.init(session: session, moment: at(seconds))) }
    private func traffic(_ seconds: Int) -> State.Sign { .traffic(time(seconds)) }

    private func state(_ signs: State.Sign...) -> State { signs.reduce(into: State()) { $0.take($1) } }

    @Test("a device comes and goes; a last will is no sign of life")
    func comesAndGoes() {
        #expect(State().status == .offline && State().since(silence: nil) == nil)
        let here = state(online("a", 10), online("a", 11))
        #expect(here.status == .online && here.session == "a" && here.lastSeen == time(11))
        let gone = state(online("a", 10), end("a", 20))
        #expect(gone.status == .offline && gone.lastSeen == time(10) && gone.since(silence: nil) == time(20))
        let back = state(online("a", 10), end("a", 20), online("b", 30))
        #expect(back.status == .online && back.session == "b" && back.since(silence: nil) == time(30))
    }

    @Test("a late disconnect does not overwrite a newer connect")
    func lateDisconnect() {
        #expect(state(online("a", 10), online("b", 20), end("a", 21)).status == .online)
        #expect(state(online(nil, 20), end(nil, 19)).status == .online)
        // Its beginning is read after its end: another connection ended meanwhile.
        #expect(state(online("a", 10), end("b", 30), end("a", 35)).status == .offline)
        #expect(state(online("a", 10), end("b", 30), online("b", 20)).status == .offline)
        #expect(state(online("a", 10), end("b", 30), online("b", 31)).status == .online)
        // In one batch all have the same time; the offset tells what came last.
        let replaced: State.Sign = .end(.init(session: nil, moment: at(20, 5)))
        #expect(state(online("a", 10), replaced, report(.online, "b", at(20, 6))).status == .online)
        #expect(state(report(.online, "b", at(20, 4)), replaced).status == .offline)
    }

    @Test("traffic brings a device back unless it is older than the goodbye")
    func trafficBringsBack() {
        #expect(state(online("a", 10), end("a", 20), traffic(19)).status == .offline)
        #expect(state(online("a", 10), end("a", 20), traffic(20)).status == .offline)
        let back = state(online("a", 10), end("a", 20), traffic(21))
        #expect(back.status == .online && back.session == nil && back.since(silence: nil) == time(21))
        // Of the connection that it came back by only the end is known.
        #expect(state(online("a", 10), end("a", 20), traffic(21), end("b", 22)).status == .offline)
        #expect(state(traffic(5)).status == .online)
        #expect(state(report(.error, nil, at(10)), traffic(20)).status == .error)
        #expect(state(report(.error, nil, at(10)), online(nil, 20)).status == .online)
    }

    @Test("silence is told once, and ends with the next sign of life, whenever it is read")
    func silence() {
        var state = state(report(.error, "a", at(100)))
        state.pass(to: time(400), heartbeat: .seconds(300))
        #expect(state.status == .error)
        state.pass(to: time(401), heartbeat: .seconds(300))
        #expect(state.status == .offline && state.since(silence: .seconds(300)) == time(400))
        let silent = state
        state.pass(to: time(1_000), heartbeat: .seconds(300))
        state.take(traffic(100))
        #expect(state == silent)
        state.take(traffic(150))
        #expect(state.status == .error && state.session == "a")
        var unheard = State()
        unheard.pass(to: time(100_000), heartbeat: .seconds(1))
        #expect(unheard == State())
    }

    private static let statuses: [DeviceStatus] = [.online, .online, .error, .maintenance]

    private func history(_ random: inout SeededRandom) -> [State.Sign] {
        (0..<40).map { step in
            // Several in one moment, told apart by their offsets.
            let moment = at(step / 2, Int64(step))
            let session = ["a", "b", "c", nil].randomElement(using: &random) ?? nil
            switch Int.random(in: 0..<3, using: &random) {
            case 0: return .traffic(moment.time)
            case 1: return .end(.init(session: session, moment: moment))
            default: return report(Self.statuses.randomElement(using: &random) ?? .online, session, moment)
            }
        }
    }

    @Test(
        "in any order, repeated, across restarts: the same signs end in the same state as in order",
        arguments: [1, 2, UInt64.random(in: 3 ... .max)])
    func anyOrder(_ seed: UInt64) throws {
        var random = SeededRandom(seed: seed)
        for _ in 0..<500 {
            let signs = history(&random)
            let expected = signs.reduce(into: State()) { $0.take($1) }
            let repeats = (0..<20).compactMap { _ in signs.randomElement(using: &random) }
            var state = State()
            for sign in (signs + repeats).shuffled(using: &random) {
                state.take(sign)
                if Int.random(in: 0..<4, using: &random) == 0 {
                    // As written and read back.
                    let text = state.signs?.text
                    let stored = try text.map { try JSONReader.parse($0) }
                    let read = try State(signs: stored, lastSeen: state.lastSeen, isSilent: state.isSilent)
                    #expect(read == state, "seed \(seed)")
                    state = read
                }
            }
            #expect(state == expected, "seed \(seed): \(signs)")
        }
    }

    @Test("sweeps between the signs leave no trace once both have seen everything", arguments: [1, 2, UInt64.random(in: 3 ... .max)])
    func sweepsLeaveNoTrace(_ seed: UInt64) {
        var random = SeededRandom(seed: seed)
        for _ in 0..<500 {
            let signs = history(&random)
            var swept = State()
            var plain = State()
            for sign in signs.shuffled(using: &random) {
                swept.take(sign)
                if Bool.random(using: &random) { swept.pass(to: time(Int.random(in: 0..<60, using: &random)), heartbeat: .seconds(2)) }
            }
            for sign in signs { plain.take(sign) }
            for end in [30, 100] {
                swept.pass(to: time(end), heartbeat: .seconds(2))
                plain.pass(to: time(end), heartbeat: .seconds(2))
            }
            #expect(swept.status == plain.status && swept.session == plain.session && swept.lastSeen == plain.lastSeen, "seed \(seed)")
        }
    }

    @Test("a row's version rises with every change of status or session and never falls", arguments: [1, UInt64.random(in: 2 ... .max)])
    func version(_ seed: UInt64) {
        var random = SeededRandom(seed: seed)
        for _ in 0..<200 {
            var row = PresenceRow(device: "d")
            for sign in history(&random).shuffled(using: &random) {
                let before = row
                var signs = PendingSigns.Signs()
                if case .traffic(let time) = sign { signs.traffic = time } else { signs.words = [sign] }
                let isChanged = row.take(signs)
                let differs = row.status != before.status || row.session != before.session
                #expect(isChanged == differs && row.version == before.version + (differs ? 1 : 0), "seed \(seed)")
                #expect((row.since ?? .unixEpoch) >= (before.since ?? .unixEpoch), "seed \(seed)")
                let again = row
                #expect(!row.take(signs) && row == again, "seed \(seed): a repeat changed something")
            }
        }
    }

    @Test("rows that no program of ours wrote are refused", arguments: [#"{"report":{"at":1,"offset":2}}"#, #"{"ends":[{"at":1}]}"#])
    func unreadable(_ text: String) throws {
        let value = try JSONReader.parse(text)
        #expect(throws: StoredRowError.self) { try State(signs: value, lastSeen: nil, isSilent: false) }
    }

    @Test("registrations are bounded in a second and at once")
    func allowance() {
        let start = ContinuousClock.now
        var allowance = RegistrationAllowance(perSecond: 10, at: start)
        #expect(allowance.take(at: start) == 10)
        allowance.used(10)
        #expect(allowance.take(at: start) == 0)
        #expect(allowance.take(at: start + .milliseconds(500)) == 5)
        #expect(allowance.take(at: start + .seconds(60)) == 10)
    }
}
