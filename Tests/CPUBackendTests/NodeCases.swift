import ByteIO
import CPUBackend
import Foundation
import ModelBackend
import ONNXFile
import ONNXGraph
import Tensors

/// ONNX's own node tests, as `make_node_tests.py` writes them.
struct NodeCases: Decodable {
  struct Value: Decodable {
    let name: String
    let kind: String
    let files: [String]?
  }

  struct Case: Decodable {
    let name: String
    let rtol: Double
    let atol: Double
    let operators: [String]
    let inputs: [Value]
    let outputs: [Value]
  }

  let cases: [Case]
  let unwritable: [String]

  static func read(_ folder: String) throws -> NodeCases {
    let data = try Data(contentsOf: URL(filePath: folder + "/index.json"))
    return try JSONDecoder().decode(NodeCases.self, from: data)
  }
}

/// How a case ended.
enum CaseOutcome {
  case passed
  /// The engine does not claim an operator of it.
  case unclaimed(String)
  /// It has elements that the engine has no tensors of: text, complex numbers.
  case foreignType(String)
  case failed(String)
}

/// Runs one case.
struct CaseRun {
  let folder: String
  let item: NodeCases.Case

  func outcome() -> CaseOutcome {
    do {
      let inputs = try item.inputs.map { ($0, try contents($0)) }
      let expected = try item.outputs.map { ($0, try contents($0)) }
      let types = (inputs + expected).flatMap { $0.1 ?? [] }.map(\.elementType)
      if let foreign = types.first(where: { [.string, .complex64, .complex128].contains($0) }) {
        return .foreignType(foreign.name)
      }
      let path = "\(folder)/\(item.name)/model.onnx"
      let model = try ModelGraph.lift(
        try ModelReader.read(path: path), external: ExternalDataFiles(modelPath: path))
      let session: CPUSession
      switch open(model) {
      case .success(let opened): session = opened
      case .failure(let error):
        let isUnclaimed =
          error.reason == .unsupported && error.message.contains("the embedded CPU engine has no")
        return isUnclaimed ? .unclaimed(error.message) : .failed(error.message)
      }
      let results = try session.runValues(
        Dictionary(uniqueKeysWithValues: inputs.map { ($0.0.name, $0.1) }),
        sequences: Set(item.inputs.filter { $0.kind.hasSuffix("sequence") }.map(\.name)),
        outputs: item.outputs.map(\.name))
      for (value, wanted) in expected {
        guard let found = results[value.name] else { return .failed("no output \(value.name)") }
        if let problem = compare(found, wanted) { return .failed("\(value.name): \(problem)") }
      }
      return .passed
    } catch let error as BackendError {
      return .failed(error.message)
    } catch {
      return .failed("\(error)")
    }
  }

  private func open(_ model: ModelGraph) -> Result<CPUSession, BackendError> {
    Result { () throws(BackendError) in
      try CPUBackend.session(model, options: CPUBackend.Options(threadCount: 2))
    }
  }

  private func contents(_ value: NodeCases.Value) throws -> [TensorContent]? {
    try value.files.map { files in
      try files.map { name in
        let path = "\(folder)/\(item.name)/\(name)"
        let tensor: TensorProto = try ModelReader.message(in: try MappedFile(path: path))
        return try TensorContent(tensor, external: ExternalDataFiles(modelPath: path))
      }
    }
  }

  private func compare(_ found: [TensorContent]?, _ wanted: [TensorContent]?) -> String? {
    guard let found, let wanted else {
      return (found == nil) == (wanted == nil) ? nil : "an optional is empty on one side only"
    }
    guard found.count == wanted.count else { return "\(found.count) tensors, expected \(wanted.count)" }
    for (a, b) in zip(found, wanted) {
      if let problem = TensorComparison(relative: item.rtol, absolute: item.atol).problem(a, b) {
        return problem
      }
    }
    return nil
  }
}
