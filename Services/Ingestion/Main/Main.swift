import Ingestion
import ServiceKit

@main
struct Main {
    static func main() async { await ServiceMain.run(IngestionService.blueprint) }
}
