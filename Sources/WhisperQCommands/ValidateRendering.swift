import Console
import ModelBackend
import Pipeline
import Validation

/// The report of `validate` as text.
struct ValidateRendering {
  let isTerminal: Bool
  let isVerbose: Bool
  let width: Int?
  let colors: ColorUse
  var target = "snapdragon-x-elite"

  private static let shownLayerCount = 15
  private static let shownPlaceCount = 3

  func text(_ reports: [ModelReport]) -> String {
    var text = reports.map(self.text).joined(separator: "\n")
    let failedCount = reports.filter { !$0.passes }.count
    let count = reports.count
    if failedCount == 0 {
      text +=
        "\n" + (isTerminal ? "🎉 " : "") + Self.success(reports)
    } else {
      text +=
        "\n" + (isTerminal ? "💥 " : "")
        + (count == 1
          ? "The model does not pass."
          : "\(failedCount) of \(count) models \(failedCount == 1 ? "does" : "do") not pass.")
    }
    return text + "\n"
  }

  private func text(_ report: ModelReport) -> String {
    let mark = report.passes ? (isTerminal ? "✅" : "ok") : (isTerminal ? "❌" : "FAILED")
    let style: TextStyle = report.passes ? .good : .bad
    var text = style.applied(to: mark, colors: colors) + " " + Printable.name(report.path)
    if !report.title.isEmpty {
      text += " (\(Printable.name(report.title)), \(Format.bytes(report.byteCount)))"
    }
    text += "\n"
    for objection in report.objections.prefix(isVerbose ? .max : 10) {
      text += line(brief(objection.message, report.path))
    }
    if report.objections.count > 10, !isVerbose {
      text += line("and \(report.objections.count - 10) more; --verbose lists them")
    }
    if let run = report.run { text += self.text(run) }
    if let processor = report.processor { text += ValidateNPURendering.text(processor).map(line).joined() }
    text += findings(report)
    if !report.places.isEmpty {
      text += line(
        String(ExplainRendering.text(report.places, target: target, isVerbose: isVerbose).dropLast()))
    }
    text += layers(report)
    for note in report.notes { text += line("note: \(note)") }
    return text
  }

  private static func success(_ reports: [ModelReport]) -> String {
    let passedOver = reports.count { $0.isPassedOver }
    if passedOver > 0 {
      let rest = reports.count - passedOver
      return "\(rest) model\(rest == 1 ? " passes" : "s pass"), \(passedOver) passed over."
    }
    return switch reports.count {
    case 1:
      // A quantized model by itself has only shown that it runs.
      reports[0].notes.contains { $0.hasPrefix("no original was found") }
        ? "The model runs; nothing was compared." : "The model passes."
    case 2: "Both models pass."
    default: "All \(reports.count) models pass."
    }
  }

  /// The sentence without the path that stands above it.
  private func brief(_ message: String, _ path: String) -> String {
    message.hasPrefix(path + ": ") ? String(message.dropFirst(path.count + 2)) : message
  }

  private func line(_ text: String) -> String { "   \(Printable.lines(text).replacingLineEnds("\n   "))\n" }

  // MARK: The run

  private func text(_ run: RunReport) -> String {
    var text = ""
    let engine = run.engine
    let emulated = engine.isEmulated ? " (emulated: not a device's time)" : ""
    let range =
      run.seconds.count > 1
      ? ", median of \(run.seconds.count) (\(seconds(run.seconds.min() ?? 0)) to \(seconds(run.seconds.max() ?? 0)))"
      : ""
    text += line(
      "inference time: \(seconds(run.medianSeconds))\(range)\(emulated), loading \(seconds(run.loadSeconds))")
    for output in run.outputs.prefix(isVerbose ? .max : 4) {
      text += line("output shape: \(output.shapeText) \(output.name)")
    }
    if run.outputs.count > 4, !isVerbose {
      text += line("and \(count(run.outputs.count - 4, "more output"))")
    }
    text += providers(engine)
    if let madeUp = run.madeUp { text += line(self.madeUp(madeUp, run)) }
    if let reference = run.reference { text += comparison(run, reference) }
    return text
  }

  /// Decibels on made-up features say less of a static model than decibels on speech.
  private func madeUp(_ inputs: RunReport.MadeUpInputs, _ run: RunReport) -> String {
    let isAll = run.inputs.allSatisfy { $0.name.hasSuffix("[no past]") || inputs.names.contains($0.name) }
    let shown = inputs.names.prefix(3).joined(separator: ", ") + (inputs.names.count > 3 ? ", ..." : "")
    let names = isAll ? "" : shown + " "
    let advice = run.reference == nil ? "" : "; real speech says more: --input FILE.npz"
    return "inputs: \(names)made up (seed \(inputs.seed))\(advice)"
  }

  private func seconds(_ value: Double) -> String { Format.duration(.seconds(value)) }

  private func providers(_ engine: EngineReport) -> String {
    var text = ""
    for passed in engine.passedOver {
      text += line("\(passed.provider) was passed over: \(isVerbose ? passed.error.message : passed.summary)")
    }
    let shares = engine.placement.shares.map { "\(count($0.nodeCount, "node")) on \($0.provider)" }
    text += line("provider: \(engine.providerTitle), \(engine.runtime): \(shares.joined(separator: ", "))")
    let leftovers = engine.placement.leftovers
    for leftover in leftovers.prefix(isVerbose ? .max : 5) {
      let why = leftover.reason.map { ": \($0)" } ?? ""
      text += line("  \(leftover.operatorName) '\(leftover.node)' stayed on \(leftover.provider)\(why)")
    }
    if leftovers.count > 5, !isVerbose {
      text += line("  and \(count(leftovers.count - 5, "more node")); --verbose lists them")
    }
    for note in engine.notes.prefix(isVerbose ? .max : 3) { text += line("the runtime says: \(note)") }
    return text
  }

  private func comparison(_ run: RunReport, _ reference: RunReport.Reference) -> String {
    let head = line(
      "against \(reference.path) on \(reference.engine.providerTitle), \(seconds(reference.seconds)):")
    var text = ""
    var table = TextTable([
      .init("output"), .init("SQNR", .right), .init("cosine", .right), .init("largest error", .right),
    ])
    let compared = run.findings.filter { $0.difference != nil }
    for finding in compared.prefix(isVerbose ? .max : 8) {
      guard let difference = finding.difference else { continue }
      table.append([
        finding.name, difference.isComparable ? Format.decibels(difference.sqnr) : "none",
        Format.fixed(difference.cosine, digitCount: 6),
        number(difference.largestError),
      ])
    }
    if table.rowCount > 0 { text += indented(table.render(width: width.map { $0 - 5 })) }
    if compared.count > 8, !isVerbose { text += line("  and \(count(compared.count - 8, "more output"))") }
    var reasons: [(reason: String, names: [String])] = []
    for case let finding in run.findings {
      guard let reason = finding.reason ?? finding.mismatch else { continue }
      if let index = reasons.firstIndex(where: { $0.reason == reason }) {
        reasons[index].names.append(finding.name)
      } else {
        reasons.append((reason, [finding.name]))
      }
    }
    for (reason, names) in reasons {
      let shown = isVerbose ? names.joined(separator: ", ") : names[0]
      let others = names.count > 1 && !isVerbose ? " and \(count(names.count - 1, "more"))" : ""
      text += line("  \(shown)\(others): \(reason)")
    }
    return text.isEmpty ? "" : head + text
  }

  private func count(_ number: Int, _ noun: String) -> String {
    "\(number) \(noun)\(number == 1 || noun == "more" ? "" : "s")"
  }

  private func number(_ value: Double) -> String {
    guard value.isFinite else { return "\(value)" }
    return Format.fixed(value, digitCount: value >= 100 ? 1 : value >= 0.01 || value == 0 ? 4 : 8)
  }

  private func indented(_ text: String) -> String {
    text.split(separator: "\n").map { "     \($0)\n" }.joined()
  }

  // MARK: Findings and layers

  private func findings(_ report: ModelReport) -> String {
    var text = ""
    for group in FindingGroup.groups(of: report.findings) {
      // Errors are among the reasons above, and so are refusals where nothing runs.
      if group.severity == .error { continue }
      if group.findings.allSatisfy({ finding in
        report.objections.contains { $0.message.contains(finding.message) }
      }) {
        continue
      }
      let word = group.severity == .refused ? "the NPU refuses" : "warning"
      guard let first = group.findings.first else { continue }
      let others = group.findings.count - 1
      let shown = isVerbose ? group.findings : Array(group.findings.prefix(1))
      for finding in shown {
        text += line("\(word): \(finding.message)" + (finding.place.map { " ('\($0)')" } ?? ""))
      }
      if others > 0, !isVerbose {
        text += line("  so \(others) more node\(others == 1 ? "" : "s") (\(group.rule))")
      }
      if let remedy = first.remedy { text += line("  remedy: \(remedy)") }
    }
    return text
  }

  private func layers(_ report: ModelReport) -> String {
    guard !report.layers.isEmpty else { return "" }
    // A NaN is the worst of all.
    let worst = report.layers.sorted { Self.rank($0) < Self.rank($1) }
    var table = TextTable([
      .init("inner tensor, worst first"), .init("operator"), .init("SQNR", .right), .init("cosine", .right),
    ])
    for layer in worst.prefix(isVerbose ? .max : Self.shownLayerCount) {
      table.append([
        layer.name, layer.operatorName, Format.decibels(layer.difference.sqnr),
        Format.fixed(layer.difference.cosine, digitCount: 6),
      ])
    }
    var text = line("\(count(report.layers.count, "inner tensor")) compared:")
    text += indented(table.render(width: width.map { $0 - 5 }))
    return text
  }

  private static func rank(_ layer: LayerReport) -> Double {
    layer.difference.sqnr.isNaN ? -.infinity : layer.difference.sqnr
  }
}

extension String {
  fileprivate func replacingLineEnds(_ with: String) -> String {
    split(separator: "\n", omittingEmptySubsequences: false).joined(separator: with)
  }
}
