/// What will happen to every weight of a model, and why; printable, editable, and all that `Quantize` knows.
public struct QuantPlan: Sendable, Codable, Equatable {
  /// Version of this form.
  public static let currentVersion = 1

  public var version = Self.currentVersion
  public var scheme: Scheme
  public var format: BlockOperator
  public var borderTypes: BorderTypes
  public var entries: [PlanEntry]

  public init(scheme: Scheme, format: BlockOperator, borderTypes: BorderTypes, entries: [PlanEntry]) {
    self.scheme = scheme
    self.format = format
    self.borderTypes = borderTypes
    self.entries = entries
  }

  enum CodingKeys: String, CodingKey, CaseIterable {
    case version, scheme, format
    case borderTypes = "io"
    case entries
  }

  public init(from decoder: any Decoder) throws {
    try requireKnownKeys(decoder, CodingKeys.self)
    let values = try decoder.container(keyedBy: CodingKeys.self)
    version = try values.decode(Int.self, forKey: .version)
    guard version == Self.currentVersion else {
      throw DecodingError.dataCorruptedError(
        forKey: .version, in: values,
        debugDescription: "plan version \(version) is unknown, expected \(Self.currentVersion)")
    }
    scheme = try values.decode(Scheme.self, forKey: .scheme)
    format = try values.decodeIfPresent(BlockOperator.self, forKey: .format) ?? .contrib
    borderTypes = try values.decodeIfPresent(BorderTypes.self, forKey: .borderTypes) ?? .keep
    entries = try values.decode([PlanEntry].self, forKey: .entries)
  }
}

/// What a weight is for.
public enum WeightRole: String, NamedChoice, Sendable {
  case matMul = "matmul"
  case gemm
  case convolution = "conv"
  /// A table whose rows Gather picks.
  case embedding
  /// A table that both Gather and the logits use.
  case tiedEmbedding = "tied-embedding"
  /// Anything else: biases, normalization, positions that are added.
  case other
}

/// How a quantized weight enters the graph.
public enum WeightForm: String, NamedChoice, Sendable {
  /// DynamicQuantizeLinear, MatMulInteger, Cast, Mul: the pattern that ONNX Runtime fuses.
  case dynamicMatMul = "dynamic-matmul"
  /// DynamicQuantizeLinear, ConvInteger, Cast, Mul.
  case dynamicConvolution = "dynamic-conv"
  /// `com.microsoft.MatMulNBits`.
  case matMulNBits = "matmul-nbits"
  /// DequantizeLinear before the operator.
  case dequantize
  /// Integer rows are gathered, then scaled.
  case gatherRows = "gather-rows"
  /// Cast to binary16, no integers.
  case half
}

/// The integers that stand for a weight.
public struct Treatment: Sendable, Codable, Equatable {
  public var form: WeightForm
  /// 4, 8, or 16 for `half`.
  public var bits: Int
  public var granularity: Granularity
  /// With `block` only.
  public var blockSize: Int?
  public var symmetric: Bool
  public var range: RangeRule

  public init(
    form: WeightForm, bits: Int, granularity: Granularity, blockSize: Int?, symmetric: Bool, range: RangeRule
  ) {
    self.form = form
    self.bits = bits
    self.granularity = granularity
    self.blockSize = blockSize
    self.symmetric = symmetric
    self.range = range
  }

  enum CodingKeys: String, CodingKey, CaseIterable {
    case form, bits, granularity
    case blockSize = "block_size"
    case symmetric, range
  }

  public init(from decoder: any Decoder) throws {
    try requireKnownKeys(decoder, CodingKeys.self)
    let values = try decoder.container(keyedBy: CodingKeys.self)
    form = try values.decode(WeightForm.self, forKey: .form)
    bits = try values.decode(Int.self, forKey: .bits)
    granularity = try values.decode(Granularity.self, forKey: .granularity)
    blockSize = try values.decodeIfPresent(Int.self, forKey: .blockSize)
    symmetric = try values.decode(Bool.self, forKey: .symmetric)
    range = try values.decode(RangeRule.self, forKey: .range)
  }

  /// `s8 channel`, `u4 block 32`, `fp16`.
  public var summary: String {
    if form == .half { return "fp16" }
    let type = (symmetric ? "s" : "u") + String(bits)
    return "\(type) \(granularity.rawValue)" + (granularity == .block ? " \(blockSize ?? 0)" : "")
  }
}

/// One weight's line in the plan.
public struct PlanEntry: Sendable, Codable, Equatable {
  public var weight: String
  /// Which graph defines it: "" for the main one, else `owner node/attribute`.
  public var graph: String
  public var role: WeightRole
  /// ONNX's name of the element type.
  public var elementType: String
  public var shape: [Int]
  /// The nodes that take it.
  public var consumers: [String]
  /// The same numbers stored a second time (transposed), which this entry makes superfluous.
  public var twin: String?
  /// Nil leaves the weight as it is.
  public var treatment: Treatment?
  public var bytesBefore: Int
  public var bytesAfter: Int
  public var reason: String

  enum CodingKeys: String, CodingKey, CaseIterable {
    case weight, graph, role
    case elementType = "element_type"
    case shape, consumers, twin, treatment
    case bytesBefore = "bytes_before"
    case bytesAfter = "bytes_after"
    case reason
  }

  public init(
    weight: String, graph: String, role: WeightRole, elementType: String, shape: [Int], consumers: [String],
    twin: String? = nil, treatment: Treatment?, bytesBefore: Int, bytesAfter: Int, reason: String
  ) {
    self.weight = weight
    self.graph = graph
    self.role = role
    self.elementType = elementType
    self.shape = shape
    self.consumers = consumers
    self.twin = twin
    self.treatment = treatment
    self.bytesBefore = bytesBefore
    self.bytesAfter = bytesAfter
    self.reason = reason
  }

  public init(from decoder: any Decoder) throws {
    try requireKnownKeys(decoder, CodingKeys.self)
    let values = try decoder.container(keyedBy: CodingKeys.self)
    weight = try values.decode(String.self, forKey: .weight)
    graph = try values.decodeIfPresent(String.self, forKey: .graph) ?? ""
    role = try values.decode(WeightRole.self, forKey: .role)
    elementType = try values.decode(String.self, forKey: .elementType)
    shape = try values.decode([Int].self, forKey: .shape)
    consumers = try values.decodeIfPresent([String].self, forKey: .consumers) ?? []
    twin = try values.decodeIfPresent(String.self, forKey: .twin)
    treatment = try values.decodeIfPresent(Treatment.self, forKey: .treatment)
    bytesBefore = try values.decodeIfPresent(Int.self, forKey: .bytesBefore) ?? 0
    bytesAfter = try values.decodeIfPresent(Int.self, forKey: .bytesAfter) ?? 0
    reason = try values.decodeIfPresent(String.self, forKey: .reason) ?? ""
  }
}
