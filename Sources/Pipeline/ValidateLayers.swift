import CPUBackend
import ModelBackend
import ONNXGraph
import Tensors
import Validation

/// Compares the inner tensors of two models that have the same names in both, as a quantized model and its original
/// do. The embedded engine runs both, because it shows every tensor.
struct LayerComparison {
  let reference: LoadedModel
  let candidate: LoadedModel
  let referenceFeeds: [String: TensorContent]
  let candidateFeeds: [String: TensorContent]
  let threadCount: Int?

  /// Bytes of the reference's tensors that are kept at one time; when there are more, both models run again for the
  /// rest.
  private static let keptByteLimit = 1 << 30

  func run() throws(PipelineError) -> [LayerReport] {
    // A quantized layer ends in the Mul of its scales; what it does stands in the original.
    let operators = Self.operators(reference.graph)
    let computed = Set(Self.operators(candidate.graph).keys)
    let (referenceSession, candidateSession) = (try open(reference), try open(candidate))
    let shared = Set(referenceSession.innerValues).intersection(operators.keys).intersection(computed)
    var done: Set<String> = []
    var reports: [LayerReport] = []
    while true {
      var kept: [String: TensorContent] = [:]
      var bytes = 0
      try observe(referenceSession, referenceFeeds, reference.path) { name, content in
        guard shared.contains(name), !done.contains(name), kept[name] == nil, Self.isFloat(content) else {
          return
        }
        // One tensor at least, however large.
        guard kept.isEmpty || bytes + content.bytes.byteCount <= Self.keptByteLimit else { return }
        kept[name] = content
        bytes += content.bytes.byteCount
      }
      if kept.isEmpty { break }
      // Whatever comes of them: a name that the candidate does not show, or shows in another shape, must not come again.
      done.formUnion(kept.keys)
      try observe(candidateSession, candidateFeeds, candidate.path) { name, content in
        // Under the name of a weight that is only moved about, a quantized model may have integers.
        guard let expected = kept.removeValue(forKey: name), Self.isFloat(content),
          let difference = TensorDifference(reference: expected, candidate: content)
        else { return }
        reports.append(
          LayerReport(name: name, operatorName: operators[name] ?? "", difference: difference))
      }
    }
    return reports
  }

  private static func isFloat(_ content: TensorContent) -> Bool {
    [.float32, .float16, .bfloat16, .float64].contains(content.elementType) && content.shape.elementCount > 1
  }

  private func open(_ model: LoadedModel) throws(PipelineError) -> any InspectableSession {
    do {
      return try CPUBackend.session(model.graph, options: CPUBackend.Options(threadCount: threadCount))
    } catch {
      throw PipelineError(
        "\(model.path): --layers needs the embedded engine: \(error.message)", ExitStatus(error.reason))
    }
  }

  private func observe(
    _ session: any InspectableSession, _ feeds: [String: TensorContent], _ path: String,
    _ body: (String, TensorContent) -> Void
  ) throws(PipelineError) {
    do {
      _ = try session.run(feeds, outputs: session.outputs.map(\.name), observing: body)
    } catch {
      throw PipelineError("\(path): \(error.message)", ExitStatus(error.reason))
    }
  }

  /// Operators by the names of what they compute; constants are left out, for their difference is no error of a
  /// computation.
  private static func operators(_ graph: ModelGraph) -> [String: String] {
    var result: [String: String] = [:]
    for node in graph.allNodes where graph[node].opType != "Constant" {
      for case let output? in graph[node].outputs { result[graph[output].name] = graph[node].opType }
    }
    return result
  }
}
