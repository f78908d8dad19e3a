import ByteIO
import ONNXFile
import ONNXGraph
import Tensors

extension InspectionReport.Weights {
  /// `Constant` nodes below this are shapes and scalars, not weights.
  private static let smallestConstantByteCount = 1024

  /// Bytes of a file, to find tensors that are stored once and named twice.
  private struct Place: Hashable {
    let file: FileIdentity
    let range: Range<Int>
  }

  /// Collects the constants of all graphs of a model.
  init(_ graph: ModelGraph) {
    var tensors: [InspectionReport.Tensor] = []
    var seen: Set<Place> = []
    var totals: [String: (tensorCount: Int, elementCount: Int, byteCount: Int)] = [:]
    for (value, message, content) in Self.constants(graph) {
      let type = message.dataType.flatMap(ElementType.init(rawValue:))
      let typeName = type?.name ?? "type \(message.dataType ?? 0)"
      let storedCount = Shape(message.dims)?.elementCount ?? 0
      let elementCount = Self.packedElementCount(value, graph) ?? storedCount
      let byteCount =
        type?.byteCount(elementCount: storedCount) ?? message.stringData.reduce(0) { $0 + $1.count }
      let isExternal = message.dataLocation == 1
      tensors.append(
        InspectionReport.Tensor(
          name: graph[value].name, elementType: typeName, shape: message.dims.map { Int(clamping: $0) },
          byteCount: byteCount,
          users: Self.users(of: value, graph, depth: 0).sorted(),
          location: isExternal ? message.externalData.first { $0.key == "location" }?.value ?? "" : nil))
      if case .mapped(let file, let range)? = content?.bytes, let identity = file.identity, !range.isEmpty {
        guard seen.insert(Place(file: identity, range: range)).inserted else { continue }
      }
      let old = totals[typeName] ?? (0, 0, 0)
      totals[typeName] = (
        old.tensorCount + 1, old.elementCount.addingClamped(elementCount),
        old.byteCount.addingClamped(byteCount)
      )
    }
    types = totals.map {
      InspectionReport.TypeTotal(
        elementType: $0.key, tensorCount: $0.value.tensorCount, elementCount: $0.value.elementCount,
        byteCount: $0.value.byteCount)
    }.sorted { (-$0.byteCount, $0.elementType) < (-$1.byteCount, $1.elementType) }
    tensorCount = types.reduce(0) { $0 + $1.tensorCount }
    elementCount = types.reduce(0) { $0.addingClamped($1.elementCount) }
    byteCount = types.reduce(0) { $0.addingClamped($1.byteCount) }
    self.tensors = tensors.sorted { (-$0.byteCount, $0.name) < (-$1.byteCount, $1.name) }
  }

  /// The weights in a blob of `MatMulNBits`, K x N of its attributes; nil for any other tensor.
  private static func packedElementCount(_ value: ValueID, _ graph: ModelGraph) -> Int? {
    guard let use = graph[value].uses.first, use.inputIndex == 1, graph[use.node].opType == "MatMulNBits",
      let k = graph.integer("K", of: use.node), let n = graph.integer("N", of: use.node), k > 0, n > 0
    else { return nil }
    let (product, overflow) = Int(clamping: k).multipliedReportingOverflow(by: Int(clamping: n))
    return overflow ? nil : product
  }

  /// Operators that only change a constant's form; who takes the result is told as well.
  private static let formOperators: Set<String> = ["DequantizeLinear", "Cast", "Transpose", "Identity"]

  /// Operators that take a value, each once: `MatMul`, or `DequantizeLinear → MatMul`.
  private static func users(of value: ValueID, _ graph: ModelGraph, depth: Int) -> Set<String> {
    var found: Set<String> = []
    for use in graph[value].uses {
      let name = graph[use.node].opType
      // A node changes the form of its first input only, so there is one way to each node: the walk is short.
      guard formOperators.contains(name), use.inputIndex == 0, depth < 4,
        let output = graph[use.node].outputs.first ?? nil
      else {
        found.insert(name)
        continue
      }
      let next = users(of: output, graph, depth: depth + 1)
      found.formUnion(next.isEmpty ? [name] : Set(next.map { "\(name) → \($0)" }))
    }
    return found
  }

  private static func constants(_ graph: ModelGraph) -> [(ValueID, TensorProto, TensorContent?)] {
    let initializers = graph.allInitializers.compactMap { value in
      graph[value].initializer.map { (value, $0.message, $0.content) }
    }
    let nodes = graph.allNodes.compactMap { node -> (ValueID, TensorProto, TensorContent?)? in
      guard let tensor = graph.constantTensor(of: node), let output = graph[node].outputs.first ?? nil,
        let type = tensor.dataType.flatMap(ElementType.init(rawValue:)), let shape = Shape(tensor.dims),
        let byteCount = type.byteCount(elementCount: shape.elementCount),
        byteCount >= smallestConstantByteCount
      else { return nil }
      return (output, tensor, nil)
    }
    return initializers + nodes
  }
}

extension Int {
  /// The sum, or the largest number when it does not fit; sizes from a file are not trusted.
  func addingClamped(_ other: Int) -> Int {
    let (sum, overflow) = addingReportingOverflow(other)
    return overflow ? Int.max : sum
  }
}
