import ModelBackend
import ONNXGraph
import Tensors
import Validation
import Whisper

extension ModelValidation {
  /// Runs a static model on the processor too when the NPU ran it, and says where the two differ and why.
  mutating func compareWithProcessor(
    _ model: LoadedModel, _ candidate: Evaluation, _ reference: ReferenceResult?
  ) throws(PipelineError) {
    let operators = Set(model.graph.allNodes.map { model.graph[$0].opType })
    guard candidate.engine.provider == .qnn, operators.contains("DequantizeLinear") else { return }
    guard !operators.contains("EPContext") else {
      report.notes.append("a compiled model runs on the NPU only, so it was not compared with the processor")
      return
    }
    let path = target.path
    var backends = request.backends
    backends.npu = .optional
    let comparison = try context.gate.working { () throws(PipelineError) in
      let shared = candidate.steps.count > 1 ? [:] : candidate.steps[0].dimensions
      let opened = try backends.open(
        model.graph, path: path, order: ProviderOrder([.cpu, .embedded]), dimensions: shared)
      var outputs: [ProcessorComparison.Output] = []
      var seconds = 0.0
      for (index, step) in candidate.steps.enumerated() {
        let clock = ContinuousClock()
        let start = clock.now
        let results = try Self.run(opened.session, step.tensors, path)
        if index == 0 { seconds = (clock.now - start) / .seconds(1) }
        let against = OutputComparison(
          step, hasReference: reference != nil, reference: reference.flatMap { $0.steps[index] })
        for (name, content) in candidate.outputs[index] {
          guard let other = results[name] else { continue }
          let agreement = TensorDifference(reference: other, candidate: content)
          outputs.append(
            .init(
              name: against.title(name), agreement: agreement?.sqnr,
              npuSQNR: against.finding(name, content).difference?.sqnr,
              processorSQNR: against.finding(name, other).difference?.sqnr))
        }
      }
      return ProcessorComparison(engine: opened.engine, seconds: seconds, outputs: outputs)
    }
    report.processor = comparison
    if let worst = comparison.worst { report.findings.append(try finding(on: worst, model, candidate)) }
  }

  /// Rules whose nodes compute other numbers on the NPU than on a processor.
  private static let tellingRules: Set<String> = [
    "u16-product", "reduction-axis", "bias-scale", "softmax-u8", "mask-range", "mask-sentinel",
    "block-weights", "same-type",
  ]

  private func finding(
    on worst: ProcessorComparison.Output, _ model: LoadedModel, _ candidate: Evaluation
  ) throws(PipelineError) -> Finding {
    var message = "HTP and the processor agree to \(decibels(worst.agreement)) only"
    if let npu = worst.npuSQNR, let processor = worst.processorSQNR {
      message += "; against the reference HTP has \(decibels(npu)), the processor \(decibels(processor))"
    }
    let rules = HTPRules.findings(
      in: model.graph, binding: candidate.steps[0].dimensions, target: try request.backends.rules())
    let telling = FindingGroup.groups(of: rules.filter { Self.tellingRules.contains($0.rule) })
    let reasons = telling.map { group in
      let names = group.findings.compactMap(\.place)
      let more = names.count > 3 ? " and \(names.count - 3) more" : ""
      return "\(group.rule) (" + names.prefix(3).map { "'\($0)'" }.joined(separator: ", ") + more + ")"
    }
    message +=
      reasons.isEmpty
      ? "; no rule explains it, so it is HTP's own arithmetic or nodes in fp16 (--explain lists them)"
      : "; what explains it: " + reasons.joined(separator: ", ")
    return Finding(
      .warning, rule: "npu-differs", place: worst.name, message,
      remedy: telling.first?.findings.first?.remedy
        ?? "judge this model by its numbers on the NPU, not by those of a processor")
  }

  private func decibels(_ value: Double?) -> String {
    guard let value, !value.isNaN else { return "no number of decibels" }
    if value.isInfinite { return value > 0 ? "equal bits" : "nothing" }
    let tenths = Int((value * 10).rounded())
    return "\(tenths < 0 ? "-" : "")\(abs(tenths) / 10).\(abs(tenths) % 10) dB"
  }
}
