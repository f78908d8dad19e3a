import ONNXGraph
import Tensors

extension DecoderTrace {
  // MARK: Linear layers

  /// The linear layer that computes a value, seen through forms, with its bias; nil when there is none.
  ///
  /// - Throws: `StaticSpeechError` when it is one whose weight cannot be used.
  func linear(_ value: ValueID) throws(StaticSpeechError) -> Linear? {
    let outer = strip(value)
    var product = outer.value
    var bias: TensorContent?
    if let sum = producer(of: outer.value, "Add") {
      for (index, other) in [(0, 1), (1, 0)] {
        guard let constant = input(index, of: sum), let found = vector(constant),
          let rest = input(other, of: sum)
        else { continue }
        let inner = strip(rest)
        // A scalar between product and bias would have to scale one of them alone.
        guard inner.scale == 1 else { return nil }
        (product, bias) = (inner.value, found)
        break
      }
    }
    guard let node = model[product].producer, var found = try constantProduct(node) else { return nil }
    if let bias {
      guard found.part.bias == nil, bias.shape.elementCount == found.part.outputCount else { return nil }
      found.part.bias = bias
    }
    found.scale = outer.scale
    return found
  }

  /// The node as a product of an activation with a constant matrix.
  private func constantProduct(_ node: NodeID) throws(StaticSpeechError) -> Linear? {
    let opType = model[node].opType
    if let layer = model.linearLayer(node), layer.isQuantized {
      throw StaticSpeechError(
        .weights,
        "\(model.path): the weight of node '\(model.label(of: node))' is quantized; start from the float export, "
          + "and quantize what is made from it")
    }
    guard ["MatMul", "FusedMatMul", "Gemm", "Conv"].contains(opType), let data = input(0, of: node),
      let operand = input(1, of: node), let constant = constant(operand)
    else { return nil }
    guard constant.content.elementType.isFloat else {
      throw StaticSpeechError(
        .weights,
        "\(model.path): the weight of node '\(model.label(of: node))' is \(constant.content.elementType.name), "
          + "expected float; start from the float export")
    }
    var orientation = LinearPart.Orientation.inputFirst
    var bias: TensorContent?
    var dimensions = constant.content.shape.dimensions
    switch opType {
    case "Conv":
      // A 1x1 convolution: [N, K, 1] or [N, K, 1, 1].
      guard dimensions.count > 2, dimensions.dropFirst(2).allSatisfy({ $0 == 1 }),
        model.integer("group", of: node) ?? 1 == 1
      else { return nil }
      orientation = .outputFirst
      dimensions = Array(dimensions.prefix(2))
      if let third = input(2, of: node) {
        guard let found = vector(third, count: dimensions[0]) else { return nil }
        bias = found
      }
    case "Gemm":
      guard model.integer("transA", of: node) ?? 0 == 0, model.float("alpha", of: node) ?? 1 == 1,
        model.float("beta", of: node) ?? 1 == 1
      else { return nil }
      if model.integer("transB", of: node) ?? 0 != 0 { orientation = .outputFirst }
      if let third = input(2, of: node) {
        guard let found = vector(third) else { return nil }
        bias = found
      }
    case "FusedMatMul":
      guard model.integer("transA", of: node) ?? 0 == 0, model.float("alpha", of: node) ?? 1 == 1 else {
        return nil
      }
      if model.integer("transB", of: node) ?? 0 != 0 { orientation = .outputFirst }
    default: break
    }
    if constant.isTransposed { orientation = orientation == .inputFirst ? .outputFirst : .inputFirst }
    guard dimensions.count == 2, let shape = Shape(dimensions) else { return nil }
    // A scalar in front belongs to what is computed there: to a Gelu, or to something unknown.
    let source = strip(data)
    let input = source.scale == 1 ? source.value : data
    let weight = TensorContent(
      elementType: constant.content.elementType, shape: shape, bytes: constant.content.bytes)
    let part = LinearPart(
      weight: weight, orientation: orientation, bias: bias, sourceName: model[constant.value].name)
    return Linear(part: part, node: node, weight: constant.value, input: input, scale: 1)
  }

  // MARK: Normalizations

  /// A point of the residual stream: the value, or the sum inside a `SkipLayerNormalization`.
  enum Stream: Hashable {
    case value(ValueID)
    case skip(NodeID)
  }

  struct Norm {
    let part: NormPart
    let stream: Stream
  }

  /// Which point of the residual stream a value is.
  func stream(_ value: ValueID) -> Stream {
    let stripped = strip(value)
    guard stripped.scale == 1 else { return .value(value) }
    if let node = producer(of: stripped.value, "SkipLayerNormalization"), model[node].outputs.count > 3,
      model[node].outputs[3] == stripped.value
    {
      return .skip(node)
    }
    return .value(stripped.value)
  }

  /// What is added up at a point of the residual stream; nil when it is no sum of two.
  func terms(_ stream: Stream) -> (values: [ValueID], bias: TensorContent?)? {
    let node: NodeID
    switch stream {
    case .value(let value):
      guard let found = producer(of: value, "Add") else { return nil }
      node = found
    case .skip(let found): node = found
    }
    guard let left = input(0, of: node), let right = input(1, of: node) else { return nil }
    if case .value = stream { return ([left, right], nil) }
    guard let bias = input(4, of: node) else { return ([left, right], nil) }
    return vector(bias).map { ([left, right], $0) }
  }

  /// The normalization that computes a value, fused or spelled out; nil when there is none.
  func norm(_ value: ValueID) -> Norm? {
    let bare = strip(value)
    let stripped = bare.value
    guard bare.scale == 1, let node = model[stripped].producer else { return nil }
    switch model[node].opType {
    case "LayerNormalization":
      guard let data = input(0, of: node) else { return nil }
      return norm(node, gamma: 1, beta: 2, stream: stream(data))
    case "SkipLayerNormalization":
      guard model[node].outputs.first == stripped else { return nil }
      return norm(node, gamma: 2, beta: 3, stream: .skip(node))
    case "Add", "Mul": return spelledNorm(node)
    default: return nil
    }
  }

  private func norm(_ node: NodeID, gamma: Int, beta: Int, stream: Stream) -> Norm? {
    guard let scale = input(gamma, of: node), let gamma = vector(scale) else { return nil }
    var offset: TensorContent?
    if let shift = input(beta, of: node) {
      guard let found = vector(shift, count: gamma.shape.elementCount) else { return nil }
      offset = found
    }
    // ONNX's default is the same as Whisper's number; ONNX Runtime's operator has another one.
    let usual: Float = model[node].opType == "LayerNormalization" ? 1e-5 : 1e-12
    return Norm(
      part: NormPart(gamma: gamma, beta: offset, epsilon: model.float("epsilon", of: node) ?? usual),
      stream: stream)
  }

  /// gamma · (x - mean) / √(mean((x - mean)²) + epsilon) + beta, as operator sets before 17 spell it.
  private func spelledNorm(_ node: NodeID) -> Norm? {
    guard model[node].opType == "Add", let (beta, scaled) = withVector(node),
      let product = producer(of: strip(scaled).value, "Mul"), let (gamma, ratio) = withVector(product),
      let division = producer(of: strip(ratio).value, "Div"), let above = input(0, of: division),
      let below = input(1, of: division), let centred = centred(above),
      let root = producer(of: strip(below).value, "Sqrt"), let inside = input(0, of: root),
      let sum = producer(of: strip(inside).value, "Add"),
      let epsilon = input(1, of: sum).flatMap({ scalar($0) }), let variance = input(0, of: sum),
      let mean = producer(of: strip(variance).value, "ReduceMean"), let squared = input(0, of: mean),
      let deviation = squareRoot(of: squared), self.centred(deviation) == centred
    else { return nil }
    return Norm(part: NormPart(gamma: gamma, beta: beta, epsilon: epsilon), stream: stream(centred))
  }

  /// The constant vector among two operands, and the other one.
  private func withVector(_ node: NodeID) -> (TensorContent, ValueID)? {
    guard let left = input(0, of: node), let right = input(1, of: node) else { return nil }
    if let found = vector(right) { return (found, left) }
    return vector(left).map { ($0, right) }
  }

  /// The x of x - mean(x).
  private func centred(_ value: ValueID) -> ValueID? {
    guard let difference = producer(of: strip(value).value, "Sub"), let left = input(0, of: difference),
      let right = input(1, of: difference), let mean = producer(of: strip(right).value, "ReduceMean"),
      let averaged = input(0, of: mean), strip(averaged).value == strip(left).value
    else { return nil }
    return strip(left).value
  }

  /// The y of y² or y · y.
  private func squareRoot(of value: ValueID) -> ValueID? {
    guard let node = producer(of: strip(value).value, "Pow", "Mul"), let left = input(0, of: node),
      let right = input(1, of: node)
    else { return nil }
    if model[node].opType == "Pow" { return scalar(right) == 2 ? left : nil }
    return strip(left).value == strip(right).value ? left : nil
  }

  // MARK: Gelu

  struct Activation {
    /// What goes in, before the bias.
    let input: ValueID
    /// A bias that is fused into the operator.
    let bias: TensorContent?
    let kind: FeedForwardPart.Activation
  }

  /// The Gelu that computes a value: fused, fused with its bias, or spelled out with Erf; nil when there is none.
  func gelu(_ value: ValueID) -> Activation? {
    // A scalar may belong to the pattern, so forms alone are not enough here.
    if let node = producer(of: value, "Reshape", "Cast", "Identity"), let data = input(0, of: node) {
      return gelu(data)
    }
    guard let node = model[value].producer, let data = input(0, of: node) else { return nil }
    switch model[node].opType {
    case "Gelu":
      let isTanh = model.text("approximate", of: node) == "tanh"
      return Activation(input: data, bias: nil, kind: isTanh ? .tanh : .exact)
    case "BiasGelu", "FastGelu":
      let kind: FeedForwardPart.Activation = model[node].opType == "FastGelu" ? .tanh : .exact
      guard let second = input(1, of: node) else {
        return kind == .tanh ? Activation(input: data, bias: nil, kind: kind) : nil
      }
      return vector(second).map { Activation(input: data, bias: $0, kind: kind) }
    case "Mul": return spelledGelu(node)
    default: return nil
    }
  }

  /// 0.5 · x · (1 + erf(x / √2)) in any order of the factors.
  private func spelledGelu(_ node: NodeID) -> Activation? {
    var factors: [ValueID] = []
    var scale: Float = 1
    var open = [node]
    while let product = open.popLast(), factors.count < 4 {
      for case let operand? in model[product].inputs {
        if let number = scalar(operand) {
          scale *= number
        } else if let inner = producer(of: operand, "Mul") {
          open.append(inner)
        } else {
          factors.append(operand)
        }
      }
    }
    guard factors.count == 2, abs(scale - 0.5) < 1e-4 else { return nil }
    for (bell, plain) in [(0, 1), (1, 0)] {
      guard let sum = producer(of: factors[bell], "Add"),
        let erf = model[sum].inputs.compactMap({ $0.flatMap { producer(of: $0, "Erf") } }).first,
        let argument = input(0, of: erf)
      else { continue }
      let inner = strip(argument)
      // x may have forms of its own, which both uses share.
      guard inner.value == strip(factors[plain]).value, abs(inner.scale - 0.70710678) < 1e-4 else { continue }
      return Activation(input: factors[plain], bias: nil, kind: .exact)
    }
    return nil
  }
}
