import Console
import ModelStore
import Pipeline
import QuantPlan
import Quantize

/// What became of one model of a run.
enum QuantizeResult {
  case done(QuantizeReport)
  /// Carried along unchanged, and why.
  case carried(String, String)
  case failed(String, String)
}

/// Reports and plans as text or JSON.
struct QuantizeRendering {
  let isJSON: Bool
  /// All weights, not only the telling ones.
  let showsAll: Bool
  /// Width of the terminal, nil when there is none.
  let width: Int?

  private static let worstCount = 5

  // MARK: Reports

  func result(
    _ results: [QuantizeResult], sidecars: [String] = [], entries: [ManifestPipeline.Outcome] = []
  ) -> String {
    if isJSON { return QuantizeJSON.document(results, sidecars: sidecars, entries: entries).text() + "\n" }
    var text = results.map(self.text).joined(separator: "\n")
    if results.count > 1 { text += "\n" + summary(results) }
    if !sidecars.isEmpty { text += "\n" + Self.carried(sidecars) }
    return text + RecordingOptions.text(entries)
  }

  /// The line about files that came along; nothing when there are none.
  static func carried(_ names: [String]) -> String {
    names.isEmpty ? "" : "carried along: " + names.map(Printable.name).joined(separator: ", ") + "\n"
  }

  /// One line over all models of a folder.
  private func summary(_ results: [QuantizeResult]) -> String {
    var done = 0
    var carried = 0
    var before = 0
    var after = 0
    for result in results {
      switch result {
      case .done(let report):
        done += 1
        before += report.inputByteCount
        after += report.outputByteCount
      case .carried: carried += 1
      case .failed: break
      }
    }
    var parts = ["\(done) of \(results.count) models quantized"]
    if done > 0 { parts[0] += " (\(Format.bytes(before)) → \(Format.bytes(after)))" }
    if carried > 0 { parts.append("\(carried) carried unchanged") }
    let failed = results.count - done - carried
    if failed > 0 { parts.append("\(failed) failed") }
    return parts.joined(separator: ", ") + "\n"
  }

  private func text(_ result: QuantizeResult) -> String {
    switch result {
    case .done(let report): return text(report)
    case .carried(let model, let why):
      return "\(Printable.name(model)): carried unchanged: \(Printable.name(why))\n"
    case .failed(let model, let why): return "\(Printable.name(model)): failed: \(Printable.name(why))\n"
    }
  }

  private func text(_ report: QuantizeReport) -> String {
    var text = "\(Printable.name(report.inputPath)) → \(Printable.name(report.outputPath))"
    if let data = report.outputDataPath { text += " + \(Printable.name(data))" }
    text += "\n"
    let rate = Format.rate(UInt64(report.inputByteCount), in: .seconds(report.seconds)) ?? ""
    text +=
      "  \(Format.bytes(report.inputByteCount)) → \(Format.bytes(report.outputByteCount)), "
      + "\(Format.percent(report.reduction)) smaller, in \(Format.duration(.seconds(report.seconds)))"
      + (rate.isEmpty ? "" : " (\(rate))")
      + ", peak memory \(Format.bytes(report.peakMemoryByteCount)), "
      + "\(report.threadCount) thread\(report.threadCount == 1 ? "" : "s"), \(report.processorLevel)\n\n"
    text += schemes(report)
    text += skipped(report.plan)
    text += losses(report)
    for finding in report.findings { text += "note: \(Printable.name(finding))\n" }
    return text
  }

  private func schemes(_ report: QuantizeReport) -> String {
    var table = TextTable([
      .init("quantized"), .init("role"), .init("weights", .right), .init("before", .right),
      .init("after", .right),
    ])
    for group in PlanGroup.treated(report.plan) {
      table.append([
        group.label, group.detail, Format.integer(group.count), Format.bytes(group.bytesBefore),
        Format.bytes(group.bytesAfter),
      ])
    }
    return table.rowCount == 0 ? "" : table.render(width: width) + "\n"
  }

  private func skipped(_ plan: QuantPlan) -> String {
    var table = TextTable([.init("left as it is, because"), .init("weights", .right), .init("bytes", .right)])
    for group in PlanGroup.left(plan) {
      table.append([group.label, Format.integer(group.count), Format.bytes(group.bytesBefore)])
    }
    return table.rowCount == 0 ? "" : table.render(width: width) + "\n"
  }

  private func losses(_ report: QuantizeReport) -> String {
    let worst = showsAll ? report.worstFirst : Array(report.worstFirst.prefix(Self.worstCount))
    guard !worst.isEmpty else { return "" }
    var table = TextTable([.init(showsAll ? "weight" : "lowest SQNR"), .init("form"), .init("SQNR", .right)])
    for outcome in worst {
      table.append([outcome.name, outcome.treatment.summary, Format.decibels(outcome.sqnr)])
    }
    return table.render(width: width) + "\n"
  }

  // MARK: Plans

  func plan(_ plan: QuantPlan, of path: String) -> String {
    let before = plan.entries.reduce(0) { $0 + $1.bytesBefore }
    let after = plan.entries.reduce(0) { $0 + $1.bytesAfter }
    var table = TextTable([
      .init("weight"), .init("shape"), .init("becomes"), .init("before", .right), .init("after", .right),
      .init("reason"),
    ])
    for entry in plan.entries {
      let place = entry.graph.isEmpty ? "" : "\(entry.graph): "
      table.append([
        place + entry.weight, "\(entry.shape)", entry.treatment?.summary ?? "–",
        Format.bytes(entry.bytesBefore), Format.bytes(entry.bytesAfter), entry.reason,
      ])
    }
    return "plan for \(Printable.name(path)), scheme \(plan.scheme.rawValue): weights "
      + "\(Format.bytes(before)) → \(Format.bytes(after))\n\n" + table.render(width: width)
  }
}

/// Weights of a plan that share what is done with them.
struct PlanGroup {
  let label: String
  let detail: String
  var count = 0
  var bytesBefore = 0
  var bytesAfter = 0

  /// Quantized weights by form and role, in the order of the plan.
  static func treated(_ plan: QuantPlan) -> [PlanGroup] {
    group(plan.entries.filter { $0.treatment != nil }) { entry in
      let summary = entry.treatment?.summary ?? ""
      let form = entry.treatment?.form.rawValue ?? ""
      return (form == "half" ? summary : "\(summary) (\(form))", entry.role.rawValue)
    }
  }

  /// Weights that stay, by reason, the heaviest first.
  static func left(_ plan: QuantPlan) -> [PlanGroup] {
    group(plan.entries.filter { $0.treatment == nil }) { ($0.reason, "") }
      .sorted { ($0.bytesBefore, $1.label) > ($1.bytesBefore, $0.label) }
  }

  private static func group(_ entries: [PlanEntry], by key: (PlanEntry) -> (String, String)) -> [PlanGroup] {
    var groups: [PlanGroup] = []
    for entry in entries {
      let (label, detail) = key(entry)
      let place =
        groups.firstIndex { $0.label == label && $0.detail == detail }
        ?? {
          groups.append(PlanGroup(label: label, detail: detail))
          return groups.count - 1
        }()
      groups[place].count += 1
      groups[place].bytesBefore += entry.bytesBefore
      groups[place].bytesAfter += entry.bytesAfter
    }
    return groups
  }
}
