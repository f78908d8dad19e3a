import ONNXFile
public import Tensors

/// Makes a half-precision model a float32 one.
///
/// Why the result is the same: every float16 and bfloat16 number is a float32 number, so the weights keep their
/// values to the bit; only the rounding between operators goes, which is what half precision loses. A Clip at the
/// ends of half precision guards against infinities that float32 does not have; it changes only what half precision
/// could not have held, and goes too.
public struct FloatWidening: GraphPass {
  public let name = "widen-floats"
  public let requires = "A lifted model."
  public let does =
    "Makes every float16 and bfloat16 constant, cast, input, output and description float32, in all graphs; removes "
    + "casts that change nothing afterwards, and Clips at the ends of half precision (beyond ±60000)."
  public let ensures = "No value is float16 or bfloat16; models without them are as they were."

  /// A Clip whose bounds are this large or larger on both sides limits nothing but half precision.
  public static let clipThreshold = 6e4

  public init() {}

  public func run(_ model: inout ModelGraph, _ context: PassContext) throws(PassError) -> PassReport {
    let before = ElementTypeInference(model)
    var changeCount = try widenConstants(&model, context)
    for node in model.allNodes { changeCount += widenTypes(of: node, &model) }
    changeCount += widenDescriptions(&model)
    if changeCount == 0 { return PassReport(name: name, changeCount: 0) }
    changeCount += removeIdleCasts(&model)
    let clipCount = removeClips(before, &model)
    var notes = ["half precision became float32; the weights keep their values"]
    if clipCount > 0 {
      notes.append("\(clipCount) Clip at the ends of half precision went, which float32 does not need")
    }
    return PassReport(name: name, changeCount: changeCount + clipCount, notes: notes)
  }

  static func isHalf(_ type: ElementType?) -> Bool { type == .float16 || type == .bfloat16 }

  // MARK: Constants

  /// Where a constant stands.
  private enum Place {
    case initializer(ValueID)
    /// A tensor of a node's attribute; `index` is its place in `tensors`, nil is `t`.
    case attribute(NodeID, String, index: Int?)
  }

  /// All constants together, so that whoever keeps them knows how many bytes there will be.
  private func widenConstants(
    _ model: inout ModelGraph, _ context: PassContext
  ) throws(PassError) -> Int {
    var places: [Place] = []
    var contents: [TensorContent] = []
    for value in model.allInitializers {
      guard let content = model[value].initializer?.content, Self.isHalf(content.elementType) else {
        continue
      }
      places.append(.initializer(value))
      contents.append(content)
    }
    for node in model.allNodes {
      for attribute in model[node].attributes {
        guard case .plain(let message) = attribute, let label = message.name else { continue }
        if let content = half(message.t?.value, model) {
          places.append(.attribute(node, label, index: nil))
          contents.append(content)
        }
        for (index, tensor) in message.tensors.enumerated() {
          guard let content = half(tensor, model) else { continue }
          places.append(.attribute(node, label, index: index))
          contents.append(content)
        }
      }
    }
    var count = widenSparse(&model)
    if places.isEmpty { return count }
    let widened = try context.keeper.widen(contents, path: model.path)
    for (place, content) in zip(places, widened) {
      switch place {
      case .initializer(let value): model.setContent(content, of: value)
      case .attribute(let node, let label, let index): replace(label, index, of: node, content, &model)
      }
      count += 1
    }
    return count
  }

  private func half(_ tensor: TensorProto?, _ model: ModelGraph) -> TensorContent? {
    guard let tensor, Self.isHalf(tensor.dataType.flatMap(ElementType.init(rawValue:))) else { return nil }
    return try? TensorContent(tensor, external: ExternalDataFiles(modelPath: model.path))
  }

  private func replace(
    _ label: String, _ index: Int?, of node: NodeID, _ content: TensorContent, _ model: inout ModelGraph
  ) {
    guard let place = model[node].attributes.firstIndex(where: { $0.name == label }),
      case .plain(var message) = model[node].attributes[place]
    else { return }
    func renewed(_ old: TensorProto?) -> TensorProto {
      var tensor = TensorProto(name: old?.name ?? "", content)
      tensor.name = old?.name
      tensor.docString = old?.docString
      return tensor
    }
    if let index {
      message.tensors[index] = renewed(message.tensors[index])
    } else {
      message.t = Boxed(renewed(message.t?.value))
    }
    model[node].attributes[place] = .plain(message)
  }

  /// Sparse constants are carried as messages; they are small.
  private func widenSparse(_ model: inout ModelGraph) -> Int {
    var count = 0
    for graph in model.graphIDs {
      for index in model[graph].message.sparseInitializer.indices {
        guard let values = model[graph].message.sparseInitializer[index].values,
          let content = half(values, model)?.converted(to: .float32)
        else { continue }
        var tensor = TensorProto(name: values.name ?? "", content)
        tensor.name = values.name
        model[graph].message.sparseInitializer[index].values = tensor
        count += 1
      }
    }
    return count
  }

  // MARK: Types

  /// Attributes that name the element type of what a node computes, or computes in.
  private static let typeAttributes: Set<String> = [
    "to", "dtype", "output_dtype", "output_datatype", "stash_type", "softmax_precision",
  ]

  private func widenTypes(of node: NodeID, _ model: inout ModelGraph) -> Int {
    guard ["", "com.microsoft"].contains(model[node].domain) else { return 0 }
    var count = 0
    for attribute in model[node].attributes where Self.typeAttributes.contains(attribute.name) {
      guard let code = attribute.message.i.flatMap({ Int32(exactly: $0) }),
        Self.isHalf(ElementType(rawValue: code))
      else { continue }
      model.setAttribute(.int(attribute.name, Int64(ElementType.float32.rawValue)), of: node)
      count += 1
    }
    // The zero that nothing names is float32 already; `value` was widened with the constants.
    return count
  }

  private func widenDescriptions(_ model: inout ModelGraph) -> Int {
    var count = 0
    for index in model.valueStorage.indices {
      let value = ValueID(index: index)
      guard let info = model[value].info, let wide = info.widened() else { continue }
      model[value].info = wide
      count += 1
    }
    for graph in model.graphIDs {
      for (index, info) in model[graph].message.output.enumerated() {
        guard let wide = info.widened() else { continue }
        model[graph].message.output[index] = wide
        count += 1
      }
      for (index, description) in model[graph].descriptions.enumerated() {
        switch description {
        case .value: continue
        case .repeated(let info, let value):
          if let wide = info.widened() { model[graph].descriptions[index] = .repeated(wide, value) }
        case .dangling(let info):
          if let wide = info.widened() { model[graph].descriptions[index] = .dangling(wide) }
        }
      }
    }
    return count
  }

  // MARK: What is idle now

  /// Casts from float32 to float32, in all graphs; one between an input and an output of the model stays.
  private func removeIdleCasts(_ model: inout ModelGraph) -> Int {
    let types = ElementTypeInference(model)
    var gone: Set<NodeID> = []
    for graph in model.graphIDs {
      for node in model.order(of: graph)
      where model.isOperator(node, "Cast") || model.isOperator(node, "CastLike") {
        guard let input = model.input(0, of: node), let output = model.output(of: node),
          types[input] == .float32, types[output] == .float32
        else { continue }
        if model.substitute(output, by: input) { gone.insert(node) }
      }
    }
    model.remove(gone)
    return gone.count
  }

  private func removeClips(_ before: ElementTypeInference, _ model: inout ModelGraph) -> Int {
    var gone: Set<NodeID> = []
    for node in model.allNodes where model.isOperator(node, "Clip") {
      guard let input = model.input(0, of: node), let output = model.output(of: node),
        Self.isHalf(before[output]) || Self.isHalf(before[input]), limitsNothing(node, model)
      else { continue }
      if model.substitute(output, by: input) { gone.insert(node) }
    }
    model.remove(gone)
    return gone.count
  }

  /// Whether each bound is left out or beyond what half precision holds.
  private func limitsNothing(_ node: NodeID, _ model: ModelGraph) -> Bool {
    func bound(_ index: Int, _ label: String) -> (isKnown: Bool, value: Double?) {
      if let value = model.input(index, of: node) {
        let number = model.scalar(value)
        return (number != nil, number)
      }
      return (true, model.float(label, of: node).map(Double.init))
    }
    let (lower, upper) = (bound(1, "min"), bound(2, "max"))
    guard lower.isKnown, upper.isKnown else { return false }
    return (lower.value.map { $0 <= -Self.clipThreshold } ?? true)
      && (upper.value.map { $0 >= Self.clipThreshold } ?? true)
  }
}

/// Makes float32 constants of half-precision ones and keeps them.
///
/// Weights of a large model are gigabytes, so where they are kept is the caller's decision; see `ConstantsInMemory`.
public protocol WidenedConstantKeeper: Sendable {
  /// The same numbers as float32, one for each of `contents`, which are float16 or bfloat16; `path` is the model's.
  func widen(_ contents: [TensorContent], path: String) throws(PassError) -> [TensorContent]
}

/// Keeps widened constants in memory, for small models.
public struct ConstantsInMemory: WidenedConstantKeeper {
  public init() {}

  public func widen(_ contents: [TensorContent], path: String) throws(PassError) -> [TensorContent] {
    // Half-precision types have numbers, and float32 holds them.
    contents.map { $0.converted(to: .float32) ?? $0 }
  }
}

extension ValueInfoProto {
  /// The same description with float32 for half precision; nil when there is none in it.
  func widened() -> ValueInfoProto? {
    guard let wide = type?.widened() else { return nil }
    var result = self
    result.type = wide
    return result
  }
}

extension TypeProto {
  /// The same type with float32 for half precision, inside sequences and optionals too; nil when there is none.
  func widened() -> TypeProto? {
    func wide(_ tensor: TensorType) -> TensorType? {
      guard FloatWidening.isHalf(tensor.elemType.flatMap(ElementType.init(rawValue:))) else { return nil }
      var result = tensor
      result.elemType = ElementType.float32.rawValue
      return result
    }
    func wide(_ element: Boxed<ElementOf>) -> Boxed<ElementOf>? {
      guard let inner = element.value.elemType?.widened() else { return nil }
      var result = element.value
      result.elemType = inner
      return Boxed(result)
    }
    var result = self
    switch value {
    case .tensor(let tensor)?:
      guard let wide = wide(tensor) else { return nil }
      result.value = .tensor(wide)
    case .sparseTensor(let tensor)?:
      guard let wide = wide(tensor) else { return nil }
      result.value = .sparseTensor(wide)
    case .sequence(let element)?:
      guard let wide = wide(element) else { return nil }
      result.value = .sequence(wide)
    case .optional(let element)?:
      guard let wide = wide(element) else { return nil }
      result.value = .optional(wide)
    case .map, .opaque, nil: return nil
    }
    return result
  }
}
