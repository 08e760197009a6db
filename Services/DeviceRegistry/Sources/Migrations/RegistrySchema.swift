internal import PostgresClient

/// The history of schema `registry`. The SQL files are compiled in.
enum RegistrySchema {
    static let migrator = Migrator(
        schema: "registry",
        migrations: [
            Migration(version: 1, name: "init", utf8: PackageResources.m0001_init_sql),
            Migration(version: 2, name: "imports", utf8: PackageResources.m0002_imports_sql),
            Migration(version: 3, name: "credentials", utf8: PackageResources.m0003_credentials_sql),
            Migration(version: 4, name: "certificates", utf8: PackageResources.m0004_certificates_sql),
            Migration(version: 5, name: "presence", utf8: PackageResources.m0005_presence_sql),
            Migration(version: 6, name: "provisioning", utf8: PackageResources.m0006_provisioning_sql),
            Migration(version: 7, name: "plans", utf8: PackageResources.m0007_plans_sql),
        ])
}
