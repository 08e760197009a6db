import TimeseriesWriter

@main
struct Main {
    static func main() async { await TimeseriesWriterService.main() }
}
