// KafkaClientTests
