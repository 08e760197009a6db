import Foundation
import MartletTool

@main
struct Main {
    static func main() {
        exit(Martlet.run(Array(CommandLine.arguments.dropFirst()), environment: ProcessInfo.processInfo.environment))
    }
}
