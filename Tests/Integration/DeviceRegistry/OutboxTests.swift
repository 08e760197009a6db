import Domain
import HTTPServer
import Metrics
import PostgresClient
import Synchronization
import TestSupport
import Testing
import Wire

@testable import DeviceRegistry

@Suite("From the outbox to the topics")
struct OutboxTests {
    private struct Broken: Error {}

    @Test("types and devices are told as they are; what is purged is told by a tombstone")
    func records() async throws {
        try await PublisherFixture.with { fixture in
            let registry = fixture.registry
            try await registry.ask(
                .put, "/v1/types/pump",
                #"{"heartbeat_seconds":60,"range_policy":"reject","metrics":[{"name":"level","unit":"m","minimum":0,"maximum":4.5}]}"#)
            try await registry.ask(
                .put, "/v1/devices/p1",
                #"{"type":"pump","name":"P 1","model":"m","firmware":"f","lifecycle":"active","labels":{"b":"2","a":"1"},"attributes":{"x":1}}"#
            )
            try await registry.ask(.put, "/v1/devices/gone", #"{"type":"sensor"}"#)
            try await registry.ask(.put, "/v1/devices/deleted", #"{"type":"sensor","parent":"p1"}"#)
            try await fixture.withPublisher { metrics in
                try await fixture.expectEmptyOutbox()
                #expect(metrics.isLeader.value == 1)
                try await registry.ask(.delete, "/v1/devices/deleted")
                try await registry.ask(.post, "/v1/devices/gone:retire")
                try await registry.ask(.post, "/v1/devices/gone:purge")
                try await fixture.expectEmptyOutbox()
            }
            let devices = try fixture.history(Topics.registryDevices)
            let pump = try #require(devices[try DeviceID("p1")]?.last ?? nil)
            #expect((pump.type, pump.name, pump.model, pump.firmware, pump.lifecycle) == ("pump", "P 1", "m", "f", .active))
            #expect(pump.labels == [DeviceLabel(key: "a", value: "1"), DeviceLabel(key: "b", value: "2")])
            let deleted = try #require(devices[try DeviceID("deleted")]?.last ?? nil)
            #expect((deleted.lifecycle, deleted.revision, deleted.parent?.text) == (.retired, 2, "p1"))
            #expect(devices[try DeviceID("gone")]?.last == .some(nil))
            let types = try fixture.history(Topics.registryTypes)
            #expect(Set(types.keys) == ["sensor", "actuator", "gateway", "pump"])
            let type = try #require(types["pump"]?.last ?? nil)
            #expect((type.heartbeatSeconds, type.rangePolicy) == (60, .reject))
            #expect(type.metrics == [.init(name: try MetricName("level"), unit: "m", minimum: 0, maximum: 4.5)])
        }
    }

    @Test("an id that is taken anew is forgotten first, so that its low revision counts")
    func reborn() async throws {
        try await PublisherFixture.with { fixture in
            let registry = fixture.registry
            try await registry.ask(.put, "/v1/devices/d", #"{"type":"sensor"}"#)
            for name in ["a", "b", "c"] { try await registry.ask(.patch, "/v1/devices/d", #"{"name":"\#(name)"}"#) }
            try await fixture.withPublisher { _ in try await fixture.expectEmptyOutbox() }
            try await registry.ask(.delete, "/v1/devices/d")
            try await registry.ask(.post, "/v1/devices/d:purge")
            try await registry.ask(.put, "/v1/devices/d", #"{"type":"gateway"}"#)
            try await fixture.withPublisher { _ in try await fixture.expectEmptyOutbox() }
            let history = try #require(try fixture.history(Topics.registryDevices)[try DeviceID("d")])
            let revisions = history.map { $0?.revision }
            #expect(revisions.suffix(2) == [nil, 1], "\(revisions)")
            #expect(try fixture.view() == fixture.table())
        }
    }

    @Test("a death after the records were read, sent or removed loses none", arguments: PublishStep.allCases)
    func deaths(step: PublishStep) async throws {
        try await PublisherFixture.with { fixture in
            for number in 0..<30 { try await fixture.registry.ask(.put, "/v1/devices/d\(number)", #"{"type":"sensor"}"#) }
            // Three deaths, each of a process that does not come back: the next publisher is another one.
            for _ in 0..<3 {
                let hasDied = Mutex(false)
                let waiting = try fixture.registry.rows("SELECT count(*) FROM registry.outbox")
                try await fixture.withPublisher(
                    fault: { reached in
                        guard hasDied.withLock({ $0 }) || reached == step else { return }
                        hasDied.withLock { $0 = true }
                        throw Broken()
                    }
                ) { metrics in
                    try await eventually("the publisher has died at \(step)") { hasDied.withLock { $0 } }
                }
                #expect(waiting != ["0"])
                try await fixture.registry.ask(.patch, "/v1/devices/d7", #"{"labels":{"n":"\#(Int.random(in: 0...999_999))"}}"#)
            }
            try await fixture.withPublisher { _ in try await fixture.expectEmptyOutbox() }
            #expect(try fixture.view() == fixture.table())
        }
    }

    @Test("a session that the server ends between sending and removing is doubted: its records are told again")
    func lostSession() async throws {
        try await PublisherFixture.with { fixture in
            try await fixture.registry.ask(.put, "/v1/devices/d", #"{"type":"sensor"}"#)
            let count = Mutex(0)
            let url = fixture.registry.url
            try await fixture.withPublisher(
                fault: { step in
                    guard step == .sent,
                        count.withLock({ count in
                            count += 1
                            return count == 1
                        })
                    else { return }
                    let other = try PostgresConnection(url, PostgresOptions(applicationName: "killer"))
                    try other.execute(
                        """
                        SELECT pg_terminate_backend(pid) FROM pg_stat_activity
                        WHERE application_name = 'device-registry-publisher' AND datname = current_database()
                        """)
                }
            ) { metrics in
                try await fixture.expectEmptyOutbox()
                #expect(metrics.failures.value >= 1)
            }
            #expect(count.withLock { $0 } >= 2)
            #expect(try fixture.view() == fixture.table())
        }
    }

    @Test("of two replicas one publishes, and the other one once it is gone")
    func election() async throws {
        try await PublisherFixture.with { fixture in
            try await fixture.withPublisher { second in
                try await fixture.withPublisher { first in
                    try await eventually("one leads") { first.isLeader.value + second.isLeader.value == 1 }
                    try await fixture.registry.ask(.put, "/v1/devices/a", #"{"type":"sensor"}"#)
                    try await fixture.expectEmptyOutbox()
                    #expect(first.isLeader.value + second.isLeader.value == 1)
                }
                try await eventually("the one that is left leads") { second.isLeader.value == 1 }
                try await fixture.registry.ask(.put, "/v1/devices/b", #"{"type":"sensor"}"#)
                try await fixture.expectEmptyOutbox()
            }
            #expect(try fixture.view() == fixture.table())
        }
    }

    @Test("under writers that race each other, each device's revisions come in order and the last one stands")
    func order() async throws {
        try await PublisherFixture.with { fixture in
            try await fixture.withPublisher { _ in
                try await withThrowingTaskGroup(of: Void.self) { group in
                    for worker in 0..<4 {
                        group.addTask {
                            var random = SeededRandom(seed: UInt64(worker) + 40)
                            for number in 0..<40 {
                                let id = "d\(Int.random(in: 0..<5, using: &random))"
                                switch Int.random(in: 0..<6, using: &random) {
                                case 0: try await fixture.registry.ask(.delete, "/v1/devices/\(id)")
                                case 1: try await fixture.registry.ask(.post, "/v1/devices/\(id):purge")
                                default:
                                    try await fixture.registry.ask(
                                        .put, "/v1/devices/\(id)", #"{"type":"sensor","name":"\#(worker)-\#(number)"}"#)
                                }
                            }
                        }
                    }
                    try await group.waitForAll()
                }
                try await fixture.expectEmptyOutbox()
            }
            for (device, history) in try fixture.history(Topics.registryDevices) {
                var last: Int64 = 0
                for record in history {
                    #expect((record?.revision ?? last) >= last, "\(device)")
                    last = record?.revision ?? 0
                }
            }
            #expect(try fixture.view() == fixture.table())
        }
    }

    @Test("a row made by hand that no record can hold keeps nothing else from being told")
    func untellable() async throws {
        try await PublisherFixture.with { fixture in
            let connection = try PostgresConnection(fixture.registry.url, PostgresOptions(applicationName: "test"))
            try connection.execute("INSERT INTO registry.devices (id, type, labels) VALUES ('bad', 'sensor', '{\"a b\": 7}')")
            try connection.execute("INSERT INTO registry.devices (id, type, name) VALUES ('long', 'sensor', repeat('x', 300))")
            try await fixture.registry.ask(.put, "/v1/devices/good", #"{"type":"sensor"}"#)
            try await fixture.withPublisher { metrics in
                try await fixture.expectEmptyOutbox()
                #expect(metrics.untold.value == 2)
                #expect(metrics.failures.value == 0)
            }
            #expect(try fixture.view().keys.sorted() == ["good"])
        }
    }

    @Test("plans that were made while the outbox was empty read a full one by its index, and what was told is cleared away")
    func fullAfterEmpty() async throws {
        try await PublisherFixture.with { fixture in
            let connection = try PostgresConnection(fixture.registry.url, PostgresOptions(applicationName: "test"))
            let devices = 25_000
            // The publisher alone shall vacuum it.
            try connection.execute("ALTER TABLE registry.outbox SET (autovacuum_enabled = false)")
            try await fixture.withPublisher(batch: 2_000) { metrics in
                // More often than the server plans anew.
                for number in 0..<10 {
                    try await fixture.registry.ask(.put, "/v1/devices/a\(number)", #"{"type":"sensor"}"#)
                    try await fixture.expectEmptyOutbox()
                    try connection.execute("VACUUM ANALYZE registry.outbox")
                }
                let before = metrics.published.value
                try connection.execute(
                    "INSERT INTO registry.devices (id, type) SELECT 'b' || n, 'sensor' FROM generate_series(1, \(devices)) n")
                // Not by counting the outbox, which would be counted below.
                try await eventually("all are told", within: 60) { metrics.published.value == before + UInt64(devices) }
                try await eventually("the outbox is vacuumed by its publisher", within: 30) {
                    try fixture.registry.rows(
                        "SELECT vacuum_count > 10 FROM pg_stat_user_tables WHERE schemaname = 'registry' AND relname = 'outbox'") == [
                            "true"
                        ]
                }
                #expect(metrics.failures.value == 0)
            }
            // What a session has read is counted at its end at the latest.
            try await eventually("the publisher's session is over", within: 30) {
                try fixture.registry.rows(
                    "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND application_name LIKE '%publisher'") == [
                        "0"
                    ]
            }
            let read = try fixture.registry.rows(
                "SELECT seq_tup_read FROM pg_stat_user_tables WHERE schemaname = 'registry' AND relname = 'outbox'")
            #expect(try #require(Int(read[0])) < devices, "entries were looked for by reading all of them")
            #expect(try fixture.view() == fixture.table())
        }
    }

    @Test("while Kafka is away changes are accepted and wait", .requiresOwnKafka)
    func brokerAway() async throws {
        try await PublisherFixture.with(ownBroker: true) { fixture in
            try await fixture.withPublisher { metrics in
                try await fixture.registry.ask(.put, "/v1/devices/a", #"{"type":"sensor"}"#)
                try await fixture.expectEmptyOutbox()
                try await fixture.broker.stop()
                #expect(try await fixture.registry.ask(.put, "/v1/devices/b", #"{"type":"sensor"}"#).status == 201)
                try await eventually("the publisher has noticed", within: 60) { metrics.failures.value > 0 }
                #expect(try fixture.registry.rows("SELECT key FROM registry.outbox") == ["b"])
                try await fixture.broker.restart()
                try await fixture.expectEmptyOutbox()
            }
            #expect(try fixture.view() == fixture.table())
        }
    }
}
