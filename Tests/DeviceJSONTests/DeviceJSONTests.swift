// DeviceJSONTests
