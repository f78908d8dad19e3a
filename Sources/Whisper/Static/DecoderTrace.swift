import ONNXFile
import ONNXGraph
import Tensors

/// Follows values of a graph backwards through everything that does not change what they mean.
///
/// Nothing is taken from names or from folded shapes: a chain of Reshape, Transpose, Cast and the like keeps the
/// numbers, scalars are multiplied up, and what is left are linear layers, normalizations and products.
struct DecoderTrace {
  let model: ModelGraph
  /// Features of one head, for scalars that the graph computes from shapes.
  let headWidth: Int

  /// A value without its forms, and the scalar that stood on the way.
  struct Stripped {
    var value: ValueID
    var scale: Float = 1
  }

  /// A linear layer, what goes into it, and a scalar on what comes out.
  struct Linear {
    var part: LinearPart
    let node: NodeID
    /// The constant that holds the weight.
    let weight: ValueID
    /// Without forms, unless a scalar is among them.
    let input: ValueID
    var scale: Float
  }

  /// A constant behind an operand.
  struct Constant {
    let content: TensorContent
    let value: ValueID
    let isTransposed: Bool
  }

  /// No chain of forms is longer; the bound keeps a strange model from costing time.
  private static let chainLimit = 64

  // MARK: Nodes

  /// The node that computes a value, when it has one of the given operators.
  func producer(of value: ValueID, _ opTypes: String...) -> NodeID? {
    guard let node = model[value].producer, opTypes.contains(model[node].opType) else { return nil }
    return node
  }

  func input(_ index: Int, of node: NodeID) -> ValueID? {
    let inputs = model[node].inputs
    return inputs.indices.contains(index) ? inputs[index] : nil
  }

  /// `file: node 'name' (Operator)` or the value's name when no node computes it.
  func place(_ value: ValueID) -> String {
    guard let node = model[value].producer else { return "\(model.path): the value '\(model[value].name)'" }
    return "\(model.path): node '\(model.label(of: node))' (\(model[node].opType))"
  }

  // MARK: Forms

  /// Goes back through operators that only change a tensor's form, and through factors that are scalars.
  func strip(_ value: ValueID) -> Stripped {
    var current = Stripped(value: value)
    for _ in 0..<Self.chainLimit {
      guard let node = model[current.value].producer, let next = behind(node) else { return current }
      current.value = next.value
      current.scale *= next.scale
    }
    return current
  }

  private func behind(_ node: NodeID) -> Stripped? {
    guard let first = input(0, of: node) else { return nil }
    switch model[node].opType {
    case "Identity", "Cast", "Reshape", "Flatten", "Transpose", "Unsqueeze", "Squeeze", "Expand", "Dropout",
      "Split":
      return Stripped(value: first)
    case "Slice", "Gather":
      // Of a constant it is a look-up, not a form.
      return constant(first) == nil ? Stripped(value: first) : nil
    case "Concat":
      return model[node].inputs.count == 1 ? Stripped(value: first) : nil
    case "Where":
      // Softmax of a row that is masked whole: Where(IsNaN(p), 0, p).
      guard let test = producer(of: first, "IsNaN"), let kept = input(2, of: node),
        let tested = input(0, of: test), strip(kept).value == strip(tested).value
      else { return nil }
      return Stripped(value: kept)
    case "Mul":
      guard let second = input(1, of: node) else { return nil }
      if let scale = scalar(second) { return Stripped(value: first, scale: scale) }
      return scalar(first).map { Stripped(value: second, scale: $0) }
    case "Div":
      guard let second = input(1, of: node), let scale = scalar(second), scale != 0 else { return nil }
      return Stripped(value: first, scale: 1 / scale)
    default: return nil
    }
  }

  // MARK: Constants

  /// The constant behind an operand, through Cast, Identity and the transposition of a matrix.
  func constant(_ value: ValueID) -> Constant? {
    var current = value
    var isTransposed = false
    for _ in 0..<8 {
      if let content = model.constantContent(of: current) {
        return Constant(content: content, value: current, isTransposed: isTransposed)
      }
      guard let node = model[current].producer, let next = input(0, of: node) else { return nil }
      switch model[node].opType {
      case "Cast", "Identity": break
      case "Transpose":
        let permutation = model.integers("perm", of: node) ?? []
        guard permutation.isEmpty || permutation == [1, 0] else { return nil }
        isTransposed.toggle()
      default: return nil
      }
      current = next
    }
    return nil
  }

  /// A constant vector: a bias, or the gamma or beta of a normalization; flattened.
  func vector(_ value: ValueID, count: Int? = nil) -> TensorContent? {
    guard let found = constant(value)?.content, found.elementType.isFloat else { return nil }
    let length = found.shape.elementCount
    guard length > 1, found.shape.dimensions.last == length, count == nil || count == length,
      let shape = Shape([length])
    else { return nil }
    return TensorContent(elementType: found.elementType, shape: shape, bytes: found.bytes)
  }

  /// The number that a scalar has in every run; the head width where it is read from a shape.
  func scalar(_ value: ValueID, depth: Int = 0) -> Float? {
    guard depth < 12 else { return nil }
    if let content = model.constantContent(of: value) {
      guard content.shape.elementCount == 1 else { return nil }
      return content.numbers?.first.map { Float($0) }
    }
    guard let node = model[value].producer else { return nil }
    func operand(_ index: Int) -> Float? { input(index, of: node).flatMap { scalar($0, depth: depth + 1) } }
    switch model[node].opType {
    case "Constant":
      return model.float("value_float", of: node) ?? model.integer("value_int", of: node).map(Float.init)
    case "Cast", "Identity", "Squeeze", "Unsqueeze", "Reshape": return operand(0)
    case "Sqrt": return operand(0)?.squareRoot()
    case "Reciprocal": return operand(0).map { 1 / $0 }
    case "Mul":
      guard let left = operand(0), let right = operand(1) else { return nil }
      return left * right
    case "Div":
      guard let left = operand(0), let right = operand(1), right != 0 else { return nil }
      return left / right
    case "Pow":
      guard let base = operand(0), let exponent = operand(1), base > 0 else { return nil }
      return power(base, exponent)
    case "Gather", "Slice":
      // Shape(x)[-1] or [3] of split heads is the width of one.
      guard let shape = input(0, of: node), producer(of: shape, "Shape") != nil, let axis = operand(1),
        axis == -1 || axis == 3
      else { return nil }
      return Float(headWidth)
    default: return nil
    }
  }

  /// Powers of quarters are all that exporters write.
  private func power(_ base: Float, _ exponent: Float) -> Float? {
    switch exponent {
    case 0.5: return base.squareRoot()
    case -0.5: return 1 / base.squareRoot()
    case 0.25: return base.squareRoot().squareRoot()
    case -0.25: return 1 / base.squareRoot().squareRoot()
    case 1: return base
    case -1: return 1 / base
    default: return nil
    }
  }
}

extension ElementType {
  /// Whether weights of this type can be used as they are: float32, or a half that a Cast widens.
  var isFloat: Bool { self == .float32 || self == .float16 || self == .bfloat16 }
}
