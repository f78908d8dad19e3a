/// Plans and targets are edited by hand: a key that does not exist is refused, so that no typing error is silent.
extension KeyedDecodingContainer {
  /// A whole number. Any other is refused with its key, which a decoder of JSON keeps to itself.
  func whole(_ key: Key) throws -> Int { try whole(try decode(Double.self, forKey: key), key) }

  func wholeIfPresent(_ key: Key) throws -> Int? {
    guard let number = try decodeIfPresent(Double.self, forKey: key) else { return nil }
    return try whole(number, key)
  }

  func wholes(_ key: Key) throws -> [Int] {
    try decode([Double].self, forKey: key).map { try whole($0, key) }
  }

  private func whole(_ number: Double, _ key: Key) throws -> Int {
    if let whole = Int(exactly: number), whole.magnitude < 1 << 53 { return whole }
    throw DecodingError.dataCorruptedError(
      forKey: key, in: self, debugDescription: "expected a whole number, found \(number)")
  }

  /// A number that fits float32.
  func float(_ key: Key) throws -> Float {
    let number = try decode(Double.self, forKey: key)
    if Float(number).isFinite { return Float(number) }
    throw DecodingError.dataCorruptedError(
      forKey: key, in: self, debugDescription: "expected a number that fits float32, found \(number)")
  }
}

extension ScaleAndZeroPoint {
  public init(from decoder: any Decoder) throws {
    try requireKnownKeys(decoder, CodingKeys.self)
    let values = try decoder.container(keyedBy: CodingKeys.self)
    scale = try values.float(.scale)
    zeroPoint = try values.whole(.zeroPoint)
  }
}

extension ActivationEntry {
  public init(from decoder: any Decoder) throws {
    try requireKnownKeys(decoder, CodingKeys.self)
    let values = try decoder.container(keyedBy: CodingKeys.self)
    tensor = try values.decode(String.self, forKey: .tensor)
    producer = try values.decodeIfPresent(String.self, forKey: .producer) ?? ""
    type = try values.decode(IntegerType.self, forKey: .type)
    parameters = try values.decode(ScaleAndZeroPoint.self, forKey: .parameters)
    minimum = try values.float(.minimum)
    maximum = try values.float(.maximum)
    reason = try values.decodeIfPresent(String.self, forKey: .reason) ?? ""
  }
}

extension ConversionEntry {
  public init(from decoder: any Decoder) throws {
    try requireKnownKeys(decoder, CodingKeys.self)
    let values = try decoder.container(keyedBy: CodingKeys.self)
    node = try values.decode(String.self, forKey: .node)
    input = try values.whole(.input)
    tensor = try values.decode(String.self, forKey: .tensor)
    type = try values.decode(IntegerType.self, forKey: .type)
    parameters = try values.decode(ScaleAndZeroPoint.self, forKey: .parameters)
    reason = try values.decodeIfPresent(String.self, forKey: .reason) ?? ""
  }
}

extension FloatNodeEntry {
  public init(from decoder: any Decoder) throws {
    try requireKnownKeys(decoder, CodingKeys.self)
    let values = try decoder.container(keyedBy: CodingKeys.self)
    node = try values.decode(String.self, forKey: .node)
    operatorName = try values.decode(String.self, forKey: .operatorName)
    reason = try values.decodeIfPresent(String.self, forKey: .reason) ?? ""
  }
}

extension StaticWeightEntry {
  public init(from decoder: any Decoder) throws {
    try requireKnownKeys(decoder, CodingKeys.self)
    let values = try decoder.container(keyedBy: CodingKeys.self)
    weight = try values.decode(String.self, forKey: .weight)
    role = try values.decode(ConstantRole.self, forKey: .role)
    node = try values.decode(String.self, forKey: .node)
    input = try values.whole(.input)
    shape = try values.wholes(.shape)
    type = try values.decode(IntegerType.self, forKey: .type)
    granularity = try values.decode(Granularity.self, forKey: .granularity)
    axis = try values.wholeIfPresent(.axis)
    blockSize = try values.wholeIfPresent(.blockSize)
    range = try values.decode(RangeRule.self, forKey: .range)
    rounding = try values.decode(Rounding.self, forKey: .rounding)
    parameters = try values.decodeIfPresent(ScaleAndZeroPoint.self, forKey: .parameters)
    reason = try values.decodeIfPresent(String.self, forKey: .reason) ?? ""
  }
}

extension Target {
  public init(from decoder: any Decoder) throws {
    try requireKnownKeys(decoder, CodingKeys.self)
    let values = try decoder.container(keyedBy: CodingKeys.self)
    name = try values.decode(String.self, forKey: .name)
    title = try values.decode(String.self, forKey: .title)
    socModel = try values.whole(.socModel)
    architecture = try values.decode(String.self, forKey: .architecture)
    qairtVersion = try values.decode(String.self, forKey: .qairtVersion)
    opset = Int64(try values.whole(.opset))
    operators = try values.decode([String].self, forKey: .operators)
    movements = try values.decode([String].self, forKey: .movements)
    floatOperators = try values.decode([String].self, forKey: .floatOperators)
    foldedOperators = try values.decode([String].self, forKey: .foldedOperators)
    refusedOperators = try values.decode([String: String].self, forKey: .refusedOperators)
    weights = try values.decode([String: [String: [OperandType]]].self, forKey: .weights)
    products = try values.decode([[OperandType]].self, forKey: .products)
    narrowedProducts = try values.decode([[OperandType]].self, forKey: .narrowedProducts)
    gammas = try values.decode([String: [OperandType]].self, forKey: .gammas)
    blockSizes = try values.wholes(.blockSizes)
    blockOperators = try values.decode([String].self, forKey: .blockOperators)
    widestRange = try values.float(.widestRange)
    maskFill = try values.float(.maskFill)
  }
}
