import Console
import Pipeline

/// A layout as text and as JSON.
struct DownloadLayoutRendering {
  private let report: LayoutReport
  private let isDryRun: Bool
  private let width: Int?

  init(_ report: LayoutReport, isDryRun: Bool, width: Int?) {
    self.report = report
    self.isDryRun = isDryRun
    self.width = width
  }

  var text: String {
    var table = TextTable([.init("file"), .init("size", .right), .init("what"), .init("from")])
    let sources = Set(report.files.compactMap(\.source))
    for file in report.files {
      let place = sources.count > 1 ? file.source.map { $0 + ": " } ?? "" : ""
      let method = file.method.map { " (\($0))" } ?? ""
      table.append([
        file.path, file.byteCount.map { Format.bytes($0) } ?? "?", file.action.rawValue + method,
        place + (file.origin ?? ""),
      ])
    }
    var lines = table.render(width: width)
    if !report.left.isEmpty {
      lines += "\nnot taken:\n"
      for item in report.left { lines += "  \(Printable.name(item.path)): \(Printable.name(item.reason))\n" }
    }
    let changes = report.manifestEntries.filter { $0.change != "unchanged" }
    if !changes.isEmpty {
      lines +=
        "\nmanifest: " + changes.map { "\(Printable.name($0.key)) \($0.change)" }.joined(separator: ", ")
        + "\n"
    }
    return lines + "\n" + Printable.name(verdict) + "\n"
  }

  private var verdict: String {
    let sum = report.files.reduce(0) { $0.addingReportingOverflow($1.byteCount ?? 0).partialValue }
    if isDryRun {
      let fetched =
        report.remoteByteCount > 0 ? "; \(Format.bytes(report.remoteByteCount)) to fetch or unpack" : ""
      return "\(report.folderPath): nothing was changed\(fetched)"
    }
    if report.files.allSatisfy({ $0.action == .kept }) {
      return "\(report.folderPath): complete, \(Format.bytes(sum)); there was nothing to do"
    }
    return "\(report.folderPath): complete, \(Format.bytes(sum))"
  }

  var json: JSONValue {
    [
      "name": .string(report.name), "folder": .string(report.folderPath), "dry_run": .bool(isDryRun),
      "files": .array(
        report.files.map { file in
          [
            "path": .string(file.path), "action": .string(file.action.rawValue),
            "method": .string(ifPresent: file.method), "bytes": .integer(ifPresent: file.byteCount),
            "sha256": .string(ifPresent: file.sha256), "part": .string(ifPresent: file.part),
            "source": .string(ifPresent: file.source), "origin": .string(ifPresent: file.origin),
          ]
        }),
      "left": .array(report.left.map { ["path": .string($0.path), "reason": .string($0.reason)] }),
      "warnings": .array(report.warnings.map(JSONValue.string)),
      "notes": .array(report.notes.map(JSONValue.string)),
      "manifest": .array(
        report.manifestEntries.map { ["key": .string($0.key), "change": .string($0.change)] }),
      "fetch_bytes": .integer(report.remoteByteCount),
    ]
  }
}
