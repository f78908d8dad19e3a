import Console
import Validation

/// The NPU beside the processor, as lines of `validate`.
enum ValidateNPURendering {
  private static let shownCount = 6

  /// Lines, the outputs that differ most first.
  static func text(_ comparison: ProcessorComparison) -> [String] {
    var lines = ["on the processor (\(comparison.engine.providerTitle)) the same model gives:"]
    let sorted = comparison.outputs.sorted { ($0.agreement ?? .infinity) < ($1.agreement ?? .infinity) }
    for output in sorted.prefix(shownCount) {
      var text = "  \(Printable.name(output.name)): "
      text += output.agreement.map { "agrees with the NPU to \(Format.decibels($0))" } ?? "not comparable"
      if let npu = output.npuSQNR, let processor = output.processorSQNR {
        text +=
          "; against the reference \(Format.decibels(processor)), the NPU \(Format.decibels(npu))"
      }
      lines.append(text)
    }
    if sorted.count > shownCount { lines.append("  and \(sorted.count - shownCount) more outputs") }
    return lines
  }
}
