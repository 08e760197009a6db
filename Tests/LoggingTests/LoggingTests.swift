// LoggingTests
