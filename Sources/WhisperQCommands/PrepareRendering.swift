import Console
import Pipeline

/// The report of `prepare` as text or JSON.
struct PrepareRendering {
  let report: PrepareReport

  init(_ report: PrepareReport) { self.report = report }

  var text: String {
    let source = report.prepared.source
    var passes = TextTable([.init("pass"), .init("changes", .right), .init("notes")])
    for pass in report.passes {
      passes.append([pass.name, "\(pass.changeCount)", Printable.lines(pass.notes.joined(separator: "; "))])
    }
    let names = Set(source.operators.keys).union(report.operators.keys)
    var operators = TextTable([.init("operator"), .init("before", .right), .init("after", .right)])
    for name in names.sorted(by: { (-count($0), $0) < (-count($1), $1) }) {
      operators.append([
        Printable.name(name), "\(source.operators[name] ?? 0)", "\(report.operators[name] ?? 0)",
      ])
    }
    let before = source.operators.values.reduce(0, +)
    let after = report.operators.values.reduce(0, +)
    return passes.render() + "\n" + operators.render() + "\n"
      + "\(Printable.name(report.outputPath)): \(after) node\(after == 1 ? "" : "s") (\(before) before), "
      + "\(Format.bytes(report.outputByteCount))\n"
  }

  private func count(_ name: String) -> Int {
    max(report.operators[name] ?? 0, report.prepared.source.operators[name] ?? 0)
  }

  var json: JSONValue {
    func strings(_ values: [String]) -> JSONValue { .array(values.map { .string($0) }) }
    return [
      "input": .string(report.prepared.source.path), "output": .string(report.outputPath),
      "output_data": .string(ifPresent: report.outputDataPath), "seconds": .double(report.prepared.seconds),
      "bytes_before": .integer(report.prepared.source.byteCount),
      "bytes_after": .integer(report.outputByteCount),
      "peak_memory_bytes": .integer(report.peakMemoryByteCount),
      "inputs": strings(report.inputs), "outputs": strings(report.outputs),
      "operators_before": .object(report.prepared.source.operators.mapValues { .integer($0) }),
      "operators_after": .object(report.operators.mapValues { .integer($0) }),
      "passes": .array(
        report.passes.map { pass in
          ["name": .string(pass.name), "changes": .integer(pass.changeCount), "notes": strings(pass.notes)]
        }),
    ]
  }
}
