/// What the user wants: a scheme, its settings, and exceptions by pattern. Policy and graph make a plan.
///
/// As JSON, every key is optional and unknown keys are errors.
public struct QuantPolicy: Sendable, Equatable, Codable {
  /// An exception for the weights that a pattern matches; the first match counts.
  public struct Exception: Sendable, Equatable, Codable {
    /// A pattern as in `include`.
    public var match: String
    /// True leaves the weight as it is.
    public var leave: Bool?
    /// 4 or 8.
    public var bits: Int?
    public var granularity: Granularity?
    public var blockSize: Int?
    public var symmetric: Bool?
    public var range: RangeRule?

    public init(match: String) { self.match = match }

    enum CodingKeys: String, CodingKey, CaseIterable {
      case match, leave, bits, granularity
      case blockSize = "block_size"
      case symmetric, range
    }

    public init(from decoder: any Decoder) throws {
      try requireKnownKeys(decoder, CodingKeys.self)
      let values = try decoder.container(keyedBy: CodingKeys.self)
      match = try values.decode(String.self, forKey: .match)
      leave = try values.decodeIfPresent(Bool.self, forKey: .leave)
      bits = try values.decodeIfPresent(Int.self, forKey: .bits)
      granularity = try values.decodeIfPresent(Granularity.self, forKey: .granularity)
      blockSize = try values.decodeIfPresent(Int.self, forKey: .blockSize)
      symmetric = try values.decodeIfPresent(Bool.self, forKey: .symmetric)
      range = try values.decodeIfPresent(RangeRule.self, forKey: .range)
    }
  }

  public var scheme: Scheme = .dynamicInt8
  /// Nil is the scheme's own: `channel` for dynamic-int8, `block` for the weight-only schemes.
  public var granularity: Granularity?
  /// A power of two from 16 to 256.
  public var blockSize = 32
  public var symmetric = true
  /// Nil is the default that measurement chose for the number of bits (docs/accuracy.md).
  public var range: RangeRule?
  public var format: BlockOperator = .contrib
  public var convolutions: ConvolutionPolicy = .auto
  /// Whether Gather tables are quantized.
  public var embeddings = true
  public var borderTypes: BorderTypes = .keep
  /// Weights with fewer elements stay as they are.
  public var minimumElementCount = 1024
  /// When not empty, only weights that one of these matches are quantized.
  public var include: [String] = []
  /// Weights that one of these matches stay as they are.
  public var exclude: [String] = []
  public var exceptions: [Exception] = []

  public init() {}

  enum CodingKeys: String, CodingKey, CaseIterable {
    case scheme, granularity
    case blockSize = "block_size"
    case symmetric, range, format, convolutions, embeddings
    case borderTypes = "io"
    case minimumElementCount = "minimum_elements"
    case include, exclude, exceptions
  }

  public init(from decoder: any Decoder) throws {
    try requireKnownKeys(decoder, CodingKeys.self)
    let values = try decoder.container(keyedBy: CodingKeys.self)
    scheme = try values.decodeIfPresent(Scheme.self, forKey: .scheme) ?? scheme
    granularity = try values.decodeIfPresent(Granularity.self, forKey: .granularity)
    blockSize = try values.wholeIfPresent(.blockSize) ?? blockSize
    symmetric = try values.decodeIfPresent(Bool.self, forKey: .symmetric) ?? symmetric
    range = try values.decodeIfPresent(RangeRule.self, forKey: .range)
    format = try values.decodeIfPresent(BlockOperator.self, forKey: .format) ?? format
    convolutions = try values.decodeIfPresent(ConvolutionPolicy.self, forKey: .convolutions) ?? convolutions
    embeddings = try values.decodeIfPresent(Bool.self, forKey: .embeddings) ?? embeddings
    borderTypes = try values.decodeIfPresent(BorderTypes.self, forKey: .borderTypes) ?? borderTypes
    minimumElementCount = try values.wholeIfPresent(.minimumElementCount) ?? minimumElementCount
    include = try values.decodeIfPresent([String].self, forKey: .include) ?? include
    exclude = try values.decodeIfPresent([String].self, forKey: .exclude) ?? exclude
    exceptions = try values.decodeIfPresent([Exception].self, forKey: .exceptions) ?? exceptions
  }

  /// What is wrong with the settings, or nil.
  public var objection: String? {
    if !Self.isBlockSize(blockSize) {
      return "block size \(blockSize) is not possible; choose 16, 32, 64, 128 or 256"
    }
    for exception in exceptions {
      if let bits = exception.bits, bits != 4, bits != 8 {
        return "\(bits) bits for '\(exception.match)' are not possible; choose 4 or 8"
      }
      if let size = exception.blockSize, !Self.isBlockSize(size) {
        return "block size \(size) for '\(exception.match)' is not possible; choose 16, 32, 64, 128 or 256"
      }
    }
    if minimumElementCount < 0 { return "minimum_elements is negative; give 0 or more" }
    return nil
  }

  public static func isBlockSize(_ size: Int) -> Bool { [16, 32, 64, 128, 256].contains(size) }
}

/// A key of any name.
private struct AnyKey: CodingKey {
  let stringValue: String
  var intValue: Int? { nil }
  init(stringValue: String) { self.stringValue = stringValue }
  init?(intValue: Int) { nil }
}

/// Throws for a key that the type does not have; a misspelt setting must not be ignored.
func requireKnownKeys<Keys: CodingKey & CaseIterable>(_ decoder: any Decoder, _ keys: Keys.Type) throws {
  let known = keys.allCases.map(\.stringValue)
  for key in try decoder.container(keyedBy: AnyKey.self).allKeys where !known.contains(key.stringValue) {
    throw DecodingError.dataCorrupted(
      DecodingError.Context(
        codingPath: decoder.codingPath,
        debugDescription: "unknown key '\(key.stringValue)'; known are \(known.joined(separator: ", "))"))
  }
}
