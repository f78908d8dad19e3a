/// What calibration found out: statistics of tensors by name, with the model and the data that they come from.
public struct RangeTable: Sendable, Equatable, Codable {
  /// Version of this form.
  public static let currentVersion = 1

  /// One recording, array or set of made-up numbers that was run.
  public struct Clip: Sendable, Equatable, Codable {
    /// The name of the file, without its folder.
    public var name: String
    /// Of the contents.
    public var digest: String

    public init(name: String, digest: String) { (self.name, self.digest) = (name, digest) }
  }

  public var version = Self.currentVersion
  /// Of the model that was run; whoever calibrates says how it is made.
  public var modelDigest: String
  /// Of the sizes of channels that the model was equalized by; nil when it was not. They come from recordings, too, so
  /// the same model may have been another one.
  public var basis: String?
  /// What was run, in order.
  public var clips: [Clip]
  public var statistics: [String: TensorStatistics]

  /// A table without statistics.
  public init(modelDigest: String) {
    self.modelDigest = modelDigest
    clips = []
    statistics = [:]
  }

  enum CodingKeys: String, CodingKey {
    case version, basis, clips, statistics
    case modelDigest = "model_digest"
  }

  public init(from decoder: any Decoder) throws {
    let values = try decoder.container(keyedBy: CodingKeys.self)
    version = try values.decode(Int.self, forKey: .version)
    guard version == Self.currentVersion else {
      throw DecodingError.dataCorruptedError(
        forKey: .version, in: values,
        debugDescription: "the version \(version) of ranges is unknown, expected \(Self.currentVersion)")
    }
    modelDigest = try values.decode(String.self, forKey: .modelDigest)
    basis = try values.decodeIfPresent(String.self, forKey: .basis)
    clips = try values.decode([Clip].self, forKey: .clips)
    statistics = try values.decode([String: TensorStatistics].self, forKey: .statistics)
  }

  /// The range of a tensor; nil when it was not observed. See `TensorStatistics.range`.
  public func range(
    of name: String, method: RangeMethod, percentile: Double = 99.99, levels: Int, symmetric: Bool
  ) -> ClosedRange<Float>? {
    statistics[name]?.range(method: method, percentile: percentile, levels: levels, symmetric: symmetric)
  }

  /// Whether all that is wished for is in the table.
  public func covers(_ wishes: ObservationWishes) -> Bool {
    wishes.tensors.allSatisfy { name, wish in
      guard wish.contains(.range) || wish.contains(.channels) else { return true }
      guard let found = statistics[name] else { return false }
      return !wish.contains(.channels) || found.channels != nil
    }
  }

  /// Refuses ranges that belong to another model; `place` is the file.
  public func check(modelDigest wanted: String, place: String) throws(CalibrationError) {
    guard modelDigest != wanted else { return }
    throw CalibrationError(
      .otherModel,
      "\(place): these ranges belong to another model, or to other settings of scheme, --kv, --equalize or --smooth "
        + "(digest \(Self.short(modelDigest)), and this model's is \(Self.short(wanted))); calibrate again into another "
        + "file, or remove this one and the one beside it")
  }

  private static func short(_ digest: String) -> String {
    digest.count > 16 ? digest.prefix(16) + "…" : digest.isEmpty ? "empty" : digest
  }

  /// Adds what a clip has shown.
  public mutating func add(_ clip: Clip, _ seen: [String: TensorStatistics]) {
    clips.append(clip)
    for (name, found) in seen {
      if statistics[name]?.merge(found) == nil { statistics[name] = found }
    }
  }
}
