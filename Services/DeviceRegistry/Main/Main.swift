import DeviceRegistry

@main
struct Main {
    static func main() async { await DeviceRegistryService.main() }
}
