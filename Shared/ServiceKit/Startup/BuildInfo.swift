/// What was built.
public enum BuildInfo {
    /// Version of the platform (semver.org); all services of a release share it.
    public static let version = "0.1.0"
}
