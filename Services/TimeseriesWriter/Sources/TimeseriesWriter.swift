// TimeseriesWriter
