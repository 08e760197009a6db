internal import PostgresClient

/// The history of schema `timeseries`. The SQL files are compiled in.
enum Schema {
    static let migrator = Migrator(
        schema: "timeseries",
        migrations: [
            Migration(version: 1, name: "init", utf8: PackageResources.m0001_init_sql),
            Migration(version: 2, name: "unseal", utf8: PackageResources.m0002_unseal_sql),
            Migration(version: 3, name: "late_samples", utf8: PackageResources.m0003_late_samples_sql),
            Migration(version: 4, name: "sealed", utf8: PackageResources.m0004_sealed_sql),
            Migration(version: 5, name: "sealed_readings", utf8: PackageResources.m0005_sealed_readings_sql),
            Migration(version: 6, name: "newest_unsealed", utf8: PackageResources.m0006_newest_unsealed_sql),
            Migration(version: 7, name: "dropped_before", utf8: PackageResources.m0007_dropped_before_sql),
        ])
}
