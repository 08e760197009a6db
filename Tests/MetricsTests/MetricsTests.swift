import Synchronization
import Testing

@testable import Metrics

@Suite struct PrometheusTextTests {
    let registry = MetricsRegistry()

    func text() -> String {
        var bytes: [UInt8] = []
        registry.renderPrometheus(into: &bytes)
        return String(decoding: bytes, as: UTF8.self)
    }

    @Test func everyKindInExactText() {
        registry.counter("iot_b_total", help: "Counts b.", labels: ["kind": "y", "area": "1"]).increment(by: 3)
        registry.counter("iot_b_total", help: "Counts b.", labels: ["kind": "x", "area": "1"]).increment()
        registry.gauge("iot_a", help: "Measures a.").set(-1.5)
        registry.gaugeFunction("iot_d", help: "Asked.") { 7 }
        let histogram = registry.histogram("iot_c_seconds", help: "Times c.", buckets: [0.1, 1])
        for value in [0.05, 0.1, 0.5, 3] { histogram.observe(value) }
        #expect(
            text() == """
                # HELP iot_a Measures a.
                # TYPE iot_a gauge
                iot_a -1.5
                # HELP iot_b_total Counts b.
                # TYPE iot_b_total counter
                iot_b_total{area="1",kind="x"} 1
                iot_b_total{area="1",kind="y"} 3
                # HELP iot_c_seconds Times c.
                # TYPE iot_c_seconds histogram
                iot_c_seconds_bucket{le="0.1"} 2
                iot_c_seconds_bucket{le="1"} 3
                iot_c_seconds_bucket{le="+Inf"} 4
                iot_c_seconds_sum 3.65
                iot_c_seconds_count 4
                # HELP iot_d Asked.
                # TYPE iot_d gauge
                iot_d 7

                """)
    }

    @Test func labelValuesAndHelpAreEscaped() {
        registry.counter("c_total", help: "A \\ and\na \"line\".", labels: ["l": "q\" b\\ n\n ü"]).increment()
        #expect(
            text() == #"""
                # HELP c_total A \\ and\na "line".
                # TYPE c_total counter
                c_total{l="q\" b\\ n\n ü"} 1

                """#)
    }

    @Test(
        arguments: [
            (0, "0"), (-0.25, "-0.25"), (12, "12"), (1e15, "1000000000000000"), (1e16, "1e+16"), (.infinity, "+Inf"), (-.infinity, "-Inf"),
            (.nan, "NaN"),
            (0.0001, "0.0001"),
            (1e-7, "1e-07"), (123_456_789, "123456789"),
        ] as [(Double, String)])
    func numbers(value: Double, text: String) {
        #expect(PrometheusText.number(value) == text)
    }

    @Test func aGaugeFunctionMayUseTheRegistryAndIsReplaced() {
        let registry = registry
        registry.gaugeFunction("g", help: "h") { 1 }
        registry.gaugeFunction("g", help: "h") {
            registry.counter("asked_total", help: "h").increment()
            return 2
        }
        #expect(text().hasSuffix("g 2\n"))
        #expect(registry.counter("asked_total", help: "h").value == 1)
    }
}

@Suite struct MetricsRegistryTests {
    @Test func theSameNameAndLabelsAreTheSameObject() {
        let registry = MetricsRegistry()
        let first = registry.counter("c_total", help: "h", labels: ["a": "1", "b": "2"])
        #expect(registry.counter("c_total", help: "h", labels: ["b": "2", "a": "1"]) === first)
        #expect(registry.counter("c_total", help: "h", labels: ["b": "3", "a": "1"]) !== first)
        #expect(registry.gauge("g", help: "h") === registry.gauge("g", help: "h"))
        #expect(registry.histogram("h", help: "h") === registry.histogram("h", help: "h"))
    }

    @Test func beyondTheLimitOneSeriesTakesTheRest() {
        let registry = MetricsRegistry(seriesLimit: 3)
        for number in 0..<10 { registry.counter("c_total", help: "h", labels: ["topic": "t\(number)"]).increment() }
        registry.counter("c_total", help: "h", labels: ["topic": "t1"]).increment()
        var bytes: [UInt8] = []
        registry.renderPrometheus(into: &bytes)
        #expect(
            String(decoding: bytes, as: UTF8.self) == """
                # HELP c_total h
                # TYPE c_total counter
                c_total{topic="overflow"} 7
                c_total{topic="t0"} 1
                c_total{topic="t1"} 2
                c_total{topic="t2"} 1

                """)
    }

    @Test func descriptorsListEveryNameOnce() {
        let registry = MetricsRegistry()
        _ = registry.histogram("b_seconds", help: "hb", labels: ["stage": "x"])
        _ = registry.histogram("b_seconds", help: "hb", labels: ["stage": "y"])
        _ = registry.counter("a_total", help: "ha")
        #expect(
            registry.descriptors == [
                MetricDescriptor(name: "a_total", kind: .counter, help: "ha", labelNames: []),
                MetricDescriptor(name: "b_seconds", kind: .histogram, help: "hb", labelNames: ["stage"]),
            ])
    }

    @Test func anotherKindUnderTheSameNameTrapsInDebug() async {
        await #expect(processExitsWith: .failure) {
            let registry = MetricsRegistry()
            _ = registry.counter("c_total", help: "h")
            _ = registry.gauge("c_total", help: "h")
        }
    }

    @Test func otherLabelsUnderTheSameNameTrapInDebug() async {
        await #expect(processExitsWith: .failure) {
            let registry = MetricsRegistry()
            _ = registry.counter("c_total", help: "h", labels: ["a": "1"])
            _ = registry.counter("c_total", help: "h", labels: ["b": "1"])
        }
    }

    @Test func aNameOutsideTheGrammarTrapsInDebug() async {
        await #expect(processExitsWith: .failure) { _ = MetricsRegistry().counter("has space", help: "h") }
    }

    @Test func countingFromManyTasksLosesNothing() async {
        let registry = MetricsRegistry()
        let counter = registry.counter("c_total", help: "h")
        let gauge = registry.gauge("g", help: "h")
        let histogram = registry.histogram("h", help: "h", buckets: [1, 2])
        await withTaskGroup(of: Void.self) { group in
            for _ in 0..<8 {
                group.addTask {
                    for _ in 0..<5_000 {
                        counter.increment()
                        gauge.add(1)
                        histogram.observe(1.5)
                    }
                }
            }
        }
        #expect(counter.value == 40_000)
        #expect(gauge.value == 40_000)
        #expect(histogram.count == 40_000)
        #expect(histogram.sum == 60_000)
    }
}

@Suite struct HistogramTests {
    let histogram = Histogram(bounds: [1, 2, 4])

    @Test func aBoundBelongsToItsBucket() {
        for value in [-1, 1, 1.0000001, 2, 4, 4.1] { histogram.observe(value) }
        #expect(histogram.cumulativeCounts() == [2, 4, 5, 6])
    }

    @Test func quantilesAreLinearInsideABucket() {
        for _ in 0..<10 { histogram.observe(0.5) }
        for _ in 0..<10 { histogram.observe(1.5) }
        #expect(histogram.quantile(0.25) == 0.5)
        #expect(histogram.quantile(0.5) == 1)
        #expect(histogram.quantile(0.75) == 1.5)
        #expect(histogram.quantile(1) == 2)
    }

    @Test func aboveAllBoundsTheHighestIsTold() {
        histogram.observe(100)
        #expect(histogram.quantile(0.5) == 4)
    }

    @Test func withoutObservationsThereIsNoQuantile() {
        #expect(histogram.quantile(0.5).isNaN)
    }

    @Test func notANumberIsLeftOut() {
        histogram.observe(.nan)
        histogram.observe(Duration.milliseconds(1500))
        #expect(histogram.count == 1)
        #expect(histogram.sum == 1.5)
    }

    @Test func boundsAreSortedAndFinite() {
        #expect(Histogram(bounds: [2, .infinity, 1, 2]).bounds == [1, 2])
    }
}

@Suite struct ProcessMetricsTests {
    @Test func theKernelsFiguresAreThere() {
        let registry = MetricsRegistry()
        ProcessMetrics.register(in: registry, service: "tests", version: "1.2.3")
        var bytes: [UInt8] = []
        registry.renderPrometheus(into: &bytes)
        let text = String(decoding: bytes, as: UTF8.self)
        #expect(text.contains(#"iot_build_info{service="tests",version="1.2.3"} 1"#))
        #expect(!text.contains("NaN"))
        for name in [
            "process_resident_memory_bytes", "process_open_fds", "process_max_fds", "process_cpu_seconds_total",
            "process_start_time_seconds",
        ] {
            #expect(text.contains("# TYPE \(name) "))
        }
    }

    @Test func figuresAreOfTheRightSize() {
        #expect((1_000_000...10_000_000_000).contains(ProcessMetrics.residentBytes()))
        #expect((3...100_000).contains(ProcessMetrics.openDescriptors()))
        #expect(ProcessMetrics.openDescriptors() <= ProcessMetrics.descriptorLimit())
        #expect(ProcessMetrics.cpuSeconds() > 0)
        #expect(ProcessMetrics.startTime() > 1_700_000_000)
    }
}
