// TimeseriesWriterTests
