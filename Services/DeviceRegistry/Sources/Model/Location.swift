import JSON

/// Where a device stands: WGS 84 coordinates, a name of the place, or both.
struct Location: Hashable, Sendable {
    /// Degrees, north is positive; given with the longitude or not at all.
    var latitude: Double?
    /// Degrees, east is positive.
    var longitude: Double?
    /// Metres above the ellipsoid.
    var altitude: Double?
    /// For people: `hall 3, line 2`.
    var place: String?

    static let members = ["latitude", "longitude", "altitude", "place"]

    init(latitude: Double? = nil, longitude: Double? = nil, altitude: Double? = nil, place: String? = nil) {
        (self.latitude, self.longitude, self.altitude, self.place) = (latitude, longitude, altitude, place)
    }

    init(_ value: JSONValue, at path: String = "location") throws(FieldFault) {
        let reader = try ObjectReader(value, at: path, known: Self.members)
        latitude = try reader.number("latitude", in: -90...90)
        longitude = try reader.number("longitude", in: -180...180)
        altitude = try reader.number("altitude", in: -12_000...1_000_000)
        place = try reader.text("place", maximumBytes: 256)
        guard (latitude == nil) == (longitude == nil) else {
            throw FieldFault(
                .missingMember, reader.place(latitude == nil ? "latitude" : "longitude"), "is missing beside the other coordinate")
        }
        guard altitude == nil || latitude != nil else {
            throw FieldFault(.missingMember, reader.place("latitude"), "is missing beside the altitude")
        }
    }

    var json: JSONValue {
        .object([
            "latitude": latitude.map { .double($0) }, "longitude": longitude.map { .double($0) }, "altitude": altitude.map { .double($0) },
            "place": place.map { .string($0) },
        ])
    }
}
