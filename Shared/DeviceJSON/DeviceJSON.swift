// DeviceJSON
