import Console
import ModelBackend
import Pipeline
import Validation

/// Measurements as text or JSON.
struct BenchRendering {
  let width: Int?

  private static let shownOperatorCount = 15

  // MARK: Text

  func text(_ results: [BenchResult]) -> String {
    var table = TextTable([
      .init("model"), .init("provider"), .init("median", .right), .init("spread", .right),
      .init("runs", .right),
      .init("against first", .right), .init("speed", .right), .init("load", .right),
      .init("peak memory", .right),
    ])
    let first = results.lazy.compactMap(\.measurement).first
    for result in results {
      guard let measured = result.measurement else {
        table.append([result.path, result.provider, "failed"])
        continue
      }
      table.append([
        result.path, measured.engine.providerTitle, duration(measured.medianSeconds),
        (measured.spread.map { "±" + Format.percent($0) } ?? "–") + (measured.isStable == false ? "*" : ""),
        "\(measured.seconds.count)",
        first.map { Format.ratio(measured.medianSeconds / $0.medianSeconds) } ?? "", speed(measured),
        duration(measured.loadSeconds), measured.peakByteCount.map { Format.bytes($0) } ?? "–",
      ])
    }
    var text = table.render(width: width)
    let measured = results.compactMap(\.measurement)
    if measured.contains(where: { $0.isStable == false }) {
      text += "* the times were still scattering when time was up\n"
    }
    if measured.contains(where: \.engine.isEmulated) {
      text += "emulated: the NPU is emulated on this processor; its times say nothing about a device\n"
    }
    if let threads = first?.threadCount { text += "\(threads) thread\(threads == 1 ? "" : "s")\n" }
    for result in results {
      if let measured = result.measurement, !measured.profile.isEmpty { text += profile(result, measured) }
    }
    return text
  }

  private func duration(_ seconds: Double) -> String { Format.duration(.seconds(seconds)) }

  private func speed(_ measured: Measurement) -> String {
    if let factor = measured.realTimeFactor { return Format.fixed(factor, digitCount: 1) + " x real time" }
    if let rate = measured.tokensPerSecond { return Format.fixed(rate, digitCount: 1) + " tokens/s" }
    return Format.fixed(1 / measured.medianSeconds, digitCount: 1) + " runs/s"
  }

  private func profile(_ result: BenchResult, _ measured: Measurement) -> String {
    var table = TextTable([
      .init("operator"), .init("provider"), .init("nodes", .right), .init("time", .right),
      .init("share", .right),
    ])
    let total = measured.profile.reduce(0) { $0 + $1.seconds }
    for entry in measured.profile.prefix(Self.shownOperatorCount) {
      table.append([
        entry.name, entry.provider, "\(entry.nodeCount)", duration(entry.seconds),
        Format.percent(total > 0 ? entry.seconds / total : 0),
      ])
    }
    let rest = measured.profile.count - Self.shownOperatorCount
    return "\n\(Printable.name(result.path)) on \(measured.engine.providerTitle)"
      + (measured.engine.provider == .embedded ? ", node by node, without fusing:\n" : ":\n")
      + table.render(width: width) + (rest > 0 ? "and \(rest) more operator\(rest == 1 ? "" : "s")\n" : "")
  }

  // MARK: JSON

  func json(_ results: [BenchResult], status: ExitStatus) -> JSONValue {
    let first = results.lazy.compactMap(\.measurement).first
    return .object([
      "exit_code": .integer(Int(status.rawValue)),
      "results": .array(
        results.map { result in
          var error: JSONValue = .null
          if case .failed(let cause) = result.outcome { error = .string(cause.message) }
          return .object([
            "path": .string(result.path), "title": .string(result.title), "bytes": .integer(result.byteCount),
            "provider": .string(result.provider), "error": error,
            "measured": result.measurement.map { self.json($0, first: first) } ?? .null,
          ])
        }),
    ])
  }

  private func json(_ measured: Measurement, first: Measurement?) -> JSONValue {
    let total = measured.profile.reduce(0) { $0 + $1.seconds }
    return .object([
      "engine": ValidateJSON.engine(measured.engine), "threads": .integer(measured.threadCount),
      "load_seconds": .double(measured.loadSeconds), "first_seconds": .double(measured.firstSeconds),
      "seconds": .array(measured.seconds.map(JSONValue.double)),
      "median_seconds": .double(measured.medianSeconds), "spread": .double(ifPresent: measured.spread),
      "stable": measured.isStable.map(JSONValue.bool) ?? .null,
      "ratio": .double(ifPresent: first.map { measured.medianSeconds / $0.medianSeconds }),
      "peak_memory_bytes": .integer(ifPresent: measured.peakByteCount),
      "memory_before_bytes": .integer(measured.baseByteCount),
      "real_time_factor": .double(ifPresent: measured.realTimeFactor),
      "tokens_per_second": .double(ifPresent: measured.tokensPerSecond),
      "profile": .array(
        measured.profile.map { entry in
          [
            "operator": .string(entry.name), "provider": .string(entry.provider),
            "nodes": .integer(entry.nodeCount), "seconds": .double(entry.seconds),
            "share": .double(total > 0 ? entry.seconds / total : 0),
          ]
        }),
    ])
  }
}
