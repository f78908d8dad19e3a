/// Plans and targets are edited by hand: a key that does not exist is refused, so that no typing error is silent.
extension ScaleAndZeroPoint {
  public init(from decoder: any Decoder) throws {
    try requireKnownKeys(decoder, CodingKeys.self)
    let values = try decoder.container(keyedBy: CodingKeys.self)
    scale = try values.decode(Float.self, forKey: .scale)
    zeroPoint = try values.decode(Int.self, forKey: .zeroPoint)
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
    minimum = try values.decode(Float.self, forKey: .minimum)
    maximum = try values.decode(Float.self, forKey: .maximum)
    reason = try values.decodeIfPresent(String.self, forKey: .reason) ?? ""
  }
}

extension ConversionEntry {
  public init(from decoder: any Decoder) throws {
    try requireKnownKeys(decoder, CodingKeys.self)
    let values = try decoder.container(keyedBy: CodingKeys.self)
    node = try values.decode(String.self, forKey: .node)
    input = try values.decode(Int.self, forKey: .input)
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
    input = try values.decode(Int.self, forKey: .input)
    shape = try values.decode([Int].self, forKey: .shape)
    type = try values.decode(IntegerType.self, forKey: .type)
    granularity = try values.decode(Granularity.self, forKey: .granularity)
    axis = try values.decodeIfPresent(Int.self, forKey: .axis)
    blockSize = try values.decodeIfPresent(Int.self, forKey: .blockSize)
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
    socModel = try values.decode(Int.self, forKey: .socModel)
    architecture = try values.decode(String.self, forKey: .architecture)
    qairtVersion = try values.decode(String.self, forKey: .qairtVersion)
    opset = try values.decode(Int64.self, forKey: .opset)
    operators = try values.decode([String].self, forKey: .operators)
    movements = try values.decode([String].self, forKey: .movements)
    floatOperators = try values.decode([String].self, forKey: .floatOperators)
    foldedOperators = try values.decode([String].self, forKey: .foldedOperators)
    refusedOperators = try values.decode([String: String].self, forKey: .refusedOperators)
    weights = try values.decode([String: [String: [OperandType]]].self, forKey: .weights)
    products = try values.decode([[OperandType]].self, forKey: .products)
    narrowedProducts = try values.decode([[OperandType]].self, forKey: .narrowedProducts)
    gammas = try values.decode([String: [OperandType]].self, forKey: .gammas)
    blockSizes = try values.decode([Int].self, forKey: .blockSizes)
    blockOperators = try values.decode([String].self, forKey: .blockOperators)
    widestRange = try values.decode(Float.self, forKey: .widestRange)
    maskFill = try values.decode(Float.self, forKey: .maskFill)
  }
}
