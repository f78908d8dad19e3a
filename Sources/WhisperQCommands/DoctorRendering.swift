import Console
import Pipeline

/// The report of `doctor` as text or JSON.
struct DoctorRendering {
  let isTerminal: Bool
  let isVerbose: Bool
  let colors: ColorUse

  func text(_ report: DoctorReport) -> String {
    var text = ""
    for check in report.checks {
      let (mark, style) = mark(check.state)
      text += style.applied(to: mark, colors: colors) + " \(check.name): \(Printable.lines(check.message))\n"
      if check.state != .good, let remedy = check.remedy { text += "   remedy: \(Printable.lines(remedy))\n" }
      // What is wrong deserves all facts.
      let shown =
        isVerbose || check.state == .problem ? check.facts : check.facts.filter { !isPlace($0.name) }
      for fact in shown { text += "   \(fact.name): \(Printable.lines(fact.value))\n" }
    }
    if isVerbose {
      var table = TextTable([.init("target"), .init("chip"), .init("number", .right), .init("NPU")])
      for target in report.targets {
        table.append([target.name, target.chipset, "\(target.number)", "v\(target.architecture)"])
      }
      text += "\n" + table.render()
    }
    let problems = report.checks.filter { $0.state == .problem }.count
    let warnings = report.checks.filter { $0.state == .warning }.count
    if problems == 0, warnings == 0 { return text + "\nNothing is wrong.\n" }
    return text + "\n\(count(problems, "problem")), \(count(warnings, "warning"))\n"
  }

  private func count(_ number: Int, _ noun: String) -> String { "\(number) \(noun)\(number == 1 ? "" : "s")" }

  private func isPlace(_ name: String) -> Bool { name == "looked" || name == "found" || name == "build" }

  private func mark(_ state: DoctorReport.Check.State) -> (String, TextStyle) {
    switch state {
    case .good: (isTerminal ? "✅" : "ok", .good)
    case .note: (isTerminal ? "ℹ️ " : "note", .plain)
    case .warning: (isTerminal ? "⚠️ " : "warning", .warning)
    case .problem: (isTerminal ? "❌" : "PROBLEM", .bad)
    }
  }

  static func json(_ report: DoctorReport) -> JSONValue {
    .object([
      "exit_code": .integer(Int(report.status.rawValue)),
      "checks": .array(
        report.checks.map { check in
          [
            "name": .string(check.name), "state": .string(check.state.rawValue),
            "message": .string(check.message), "remedy": .string(ifPresent: check.remedy),
            "facts": .array(
              check.facts.map { ["name": .string($0.name), "value": .string($0.value)] }),
          ]
        }),
      "targets": .array(
        report.targets.map { target in
          [
            "name": .string(target.name), "chipset": .string(target.chipset),
            "number": .integer(target.number),
            "npu_version": .integer(target.architecture),
          ]
        }),
    ])
  }
}
