import ModelBackend
import ONNXFile
import ONNXGraph
import Tensors

/// What an operator may know about its node before it runs.
struct NodeFacts {
  /// Name of the node, or operator and first output.
  let label: String
  let domain: String
  let opType: String
  /// The version of the domain's operator set that the model imports.
  let version: Int
  let inputCount: Int
  /// Which outputs somebody uses.
  let usedOutputs: [Bool]
  private let messages: [String: AttributeProto]
  /// Graphs in attributes, by their number in the program.
  let graphs: [String: Int]
  private let path: String

  init(
    label: String, domain: String, opType: String, version: Int, inputCount: Int, usedOutputs: [Bool],
    attributes: [AttributeProto], graphs: [String: Int], path: String
  ) {
    self.label = label
    self.domain = domain
    self.opType = opType
    self.version = version
    self.inputCount = inputCount
    self.usedOutputs = usedOutputs
    messages = Dictionary(attributes.map { ($0.name ?? "", $0) }) { first, _ in first }
    self.graphs = graphs
    self.path = path
  }

  /// The same node as if it were another operator's, for operators that share an evaluation.
  func has(_ name: String) -> Bool { messages[name] != nil }

  func integer(_ name: String) -> Int? { messages[name].map { Int($0.i ?? 0) } }
  func integer(_ name: String, default value: Int) -> Int { integer(name) ?? value }
  func flag(_ name: String) -> Bool { integer(name, default: 0) != 0 }
  func float(_ name: String, default value: Float) -> Float { messages[name].map { $0.f ?? 0 } ?? value }
  func integers(_ name: String) -> [Int]? { messages[name].map { $0.ints.map(Int.init) } }
  func floats(_ name: String) -> [Float]? { messages[name]?.floats }
  func text(_ name: String, default value: String) -> String {
    messages[name].map { String(decoding: $0.s ?? [], as: UTF8.self) } ?? value
  }

  /// The tensor in an attribute.
  func tensor(_ name: String) throws(BackendError) -> TensorContent? {
    guard let tensor = messages[name]?.t?.value else { return nil }
    do {
      return try TensorContent(tensor, external: ExternalDataFiles(modelPath: path))
    } catch {
      throw BackendError(.badModel, "\(label): \(error.message)")
    }
  }

  /// The element type in an attribute.
  func elementType(_ name: String) throws(BackendError) -> ElementType? {
    guard let number = integer(name) else { return nil }
    guard let type = ElementType(rawValue: Int32(truncatingIfNeeded: number)) else {
      throw fail("\(name) is \(number), which is no element type")
    }
    return type
  }

  var operatorName: String { domain.isEmpty ? opType : "\(domain).\(opType)" }

  func fail(_ problem: String) -> BackendError {
    BackendError(.badModel, "\(operatorName) '\(label)': \(problem)")
  }

  func unsupported(_ what: String) -> BackendError {
    BackendError(
      .unsupported, "\(operatorName) '\(label)': \(what) is outside what the embedded CPU engine covers")
  }
}
